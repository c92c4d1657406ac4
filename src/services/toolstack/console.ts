/** One guest's console for its operators: a bounded backlog, any number of watchers, and input that waits for room in the ring. */
import type { DomId, EventChannels, EventPort, Grants, Log, SharedRegion } from '../../xen/ports.ts';
import { Backlog } from './backlog.ts';
import { ConsoleRing } from './console-ring.ts';

export const BACKLOG_BYTES_MAX = 128 * 1024;
/** What may wait for a guest that does not read; the rest is lost, as on a real serial line. */
export const INPUT_BYTES_MAX = 16 * 1024;
/** Where the last line is looked for. */
const TAIL_BYTES = 4096;
const PANIC = /Kernel panic/;
/** libxenguest seeds this grant with the console's page. */
const CONSOLE_GRANT = 0;

export interface ConsoleWatcher {
  output(bytes: Uint8Array): void;
  ended(reason: string): void;
}

export interface ConsolePorts {
  readonly grants: Grants;
  readonly eventChannels: EventChannels;
  readonly log: Log;
}

interface Attachment {
  readonly domid: DomId;
  readonly page: SharedRegion;
  readonly ring: ConsoleRing;
  readonly port: EventPort;
}

/** Lives as long as the guest's name: a restart attaches it to the next domain, and watchers stay. */
export class GuestConsole {
  private attached: Attachment | null = null;
  private readonly watchers = new Set<ConsoleWatcher>();
  private readonly backlog = new Backlog(BACKLOG_BYTES_MAX);
  private input: Uint8Array = new Uint8Array(0);

  constructor(private readonly ports: ConsolePorts) {}

  /** `guestPort` is the channel that Builder has made in the guest for this VM. */
  attach(domid: DomId, guestPort: EventPort): void {
    const { grants, eventChannels } = this.ports;
    const page = grants.map(domid, [CONSOLE_GRANT], true);
    try {
      const port = eventChannels.bindInterdomain(domid, guestPort);
      this.attached = { domid, page, ring: new ConsoleRing(page), port };
      eventChannels.onEvent(port, () => this.serve());
    } catch (error) {
      page.close();
      throw error;
    }
    this.serve();
  }

  /** A dead domain is not gone before its pages are unmapped. */
  detach(): void {
    const attached = this.attached;
    if (!attached) return;
    this.serve();
    this.attached = null;
    this.input = new Uint8Array(0);
    this.ports.eventChannels.unbind(attached.port);
    attached.page.close();
  }

  /** Tells the watcher what it has missed, then everything that comes. Returns the function that ends it. */
  watch(watcher: ConsoleWatcher): () => void {
    const missed = this.backlog.contents();
    if (missed.length > 0) watcher.output(missed);
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  }

  get watcherCount(): number {
    return this.watchers.size;
  }

  /** false: some of it was lost. */
  write(bytes: Uint8Array): boolean {
    if (!this.attached) return false;
    const taken = bytes.subarray(0, INPUT_BYTES_MAX - this.input.length);
    const joined = new Uint8Array(this.input.length + taken.length);
    joined.set(this.input);
    joined.set(taken, this.input.length);
    this.input = joined;
    this.serve();
    return taken.length === bytes.length;
  }

  /** The end of the guest: every watcher is told and let go. */
  end(reason: string): void {
    this.detach();
    for (const watcher of this.watchers) watcher.ended(reason);
    this.watchers.clear();
  }

  /** For error messages: the last line that holds anything. A Linux that panics says why some lines before its end. */
  lastLine(): string {
    const lines = new TextDecoder().decode(this.backlog.contents().slice(-TAIL_BYTES)).split(/[\r\n]+/);
    const telling = lines.findLast((line) => PANIC.test(line)) ?? lines.findLast((line) => line.trim() !== '') ?? '';
    // biome-ignore lint/suspicious/noControlCharactersInRegex: a guest's bytes must not steer the operator's terminal
    return telling.replaceAll(/[\x00-\x1f\x7f]/g, '').slice(0, 200);
  }

  private serve(): void {
    const attached = this.attached;
    if (!attached) return;
    const output = attached.ring.takeOutput();
    const accepted = output && this.input.length > 0 ? attached.ring.putInput(this.input) : 0;
    if (output === null || accepted === null) {
      this.fault(attached);
      return;
    }
    if (output.length > 0 || accepted > 0) this.ports.eventChannels.notify(attached.port);
    this.input = this.input.subarray(accepted);
    if (output.length > 0) this.publish(output);
  }

  private publish(output: Uint8Array): void {
    this.backlog.push(output);
    for (const watcher of this.watchers) watcher.output(output);
  }

  /** A guest that breaks its own console loses it; nobody else notices. */
  private fault(attached: Attachment): void {
    this.ports.log(`console of domain ${attached.domid}: impossible ring indices, not served any more`);
    this.attached = null;
    this.ports.eventChannels.unbind(attached.port);
    attached.page.close();
    for (const watcher of this.watchers) watcher.ended('the guest has broken its console ring');
    this.watchers.clear();
  }
}
