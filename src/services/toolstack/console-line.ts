/** What carries a console's bytes: a paravirtual guest's own ring, or the serial port that a Qemu VM emulates (device-model.ts). */
import type { DomId, EventChannels, EventPort, Grants, Log, SharedRegion } from '../../xen/ports.ts';
import { ConsoleRing } from './console-ring.ts';

export interface ConsoleLine {
  /** How many of them it has taken. */
  put(bytes: Uint8Array): number;
  close(): void;
}

export interface LineEvents {
  output(bytes: Uint8Array): void;
  /** It may take more now: `put` again, be it nothing. */
  room(): void;
  /** It has closed itself. */
  broken(why: string): void;
}

export type OpenLine = (events: LineEvents) => ConsoleLine;

export interface RingPorts {
  readonly grants: Grants;
  readonly eventChannels: EventChannels;
  readonly log: Log;
}

/** libxenguest seeds this grant with the console's page. */
const CONSOLE_GRANT = 0;

/** `guestPort` is the channel that Builder has made in the guest for this VM. */
export const ringLine =
  (ports: RingPorts, domid: DomId, guestPort: EventPort): OpenLine =>
  (events) => {
    const page = ports.grants.map(domid, [CONSOLE_GRANT], true);
    try {
      const port = ports.eventChannels.bindInterdomain(domid, guestPort);
      ports.eventChannels.onEvent(port, () => events.room());
      return new RingLine(ports, domid, page, port, events);
    } catch (error) {
      page.close();
      throw error;
    }
  };

class RingLine implements ConsoleLine {
  private readonly ring: ConsoleRing;
  private open = true;

  constructor(
    private readonly ports: RingPorts,
    private readonly domid: DomId,
    private readonly page: SharedRegion,
    private readonly port: EventPort,
    private readonly events: LineEvents,
  ) {
    this.ring = new ConsoleRing(page);
  }

  /** Takes the guest's output on the way. */
  put(bytes: Uint8Array): number {
    if (!this.open) return 0;
    const output = this.ring.takeOutput();
    const accepted = output && bytes.length > 0 ? this.ring.putInput(bytes) : 0;
    if (output === null || accepted === null) {
      this.fault();
      return 0;
    }
    if (output.length > 0 || accepted > 0) this.ports.eventChannels.notify(this.port);
    if (output.length > 0) this.events.output(output);
    return accepted;
  }

  /** A dead domain is not gone before its pages are unmapped. */
  close(): void {
    if (!this.open) return;
    this.open = false;
    this.ports.eventChannels.unbind(this.port);
    this.page.close();
  }

  /** A guest that breaks its own console loses it; nobody else notices. */
  private fault(): void {
    this.ports.log(`console of domain ${this.domid}: impossible ring indices, not served any more`);
    this.close();
    this.events.broken('the guest has broken its console ring');
  }
}
