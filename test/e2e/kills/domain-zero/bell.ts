/** Domain 0's end of a channel with a VM. The VM binds it when it starts, and again when it starts again: for Xen it is the same channel. */
import type { DomId, EventPort } from '../../../../src/xen/ports.ts';
import { eventChannels } from '../../../../src/xen/real/adapter.ts';

export class Bell {
  readonly port: EventPort;
  private heard = 0;
  private changed: () => void = () => undefined;

  constructor(domid: DomId) {
    this.port = eventChannels.allocUnbound(domid);
    eventChannels.onEvent(this.port, () => {
      this.heard += 1;
      this.changed();
    });
  }

  /** Nobody hears it where the VM has not bound it. */
  ring(): void {
    eventChannels.notify(this.port);
  }

  /** Resolves when the VM has rung so many times more. */
  async awaitMore(times: number): Promise<void> {
    const until = this.heard + times;
    while (this.heard < until)
      await new Promise<void>((resolve) => {
        this.changed = resolve;
      });
  }
}
