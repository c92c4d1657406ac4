/** VNC sessions with one Qemu VM: Toolstack numbers them, either side ends them. */
import { bytesToText, textToBytes } from '../../contracts/toolstack.ts';

const DATA_BYTES_MAX = 16 * 1024;

export interface ScreenWatcher {
  data(bytes: Uint8Array): void;
  closed(): void;
}

export interface ScreenSession {
  /** Resolves when the Qemu VM has taken them. */
  send(bytes: Uint8Array): Promise<void>;
  close(): void;
}

export interface ScreenLink {
  open(session: number): Promise<void>;
  /** Lost on the way, if there is no link. */
  notify(method: 'screen.data' | 'screen.closed', params: object): void;
  drained(): Promise<void>;
}

export class ScreenSessions {
  private readonly watchers = new Map<number, ScreenWatcher>();
  private last = 0;

  constructor(private readonly link: ScreenLink) {}

  async open(watcher: ScreenWatcher): Promise<ScreenSession> {
    this.last += 1;
    const session = this.last;
    // Before the answer: the first bytes may overtake it.
    this.watchers.set(session, watcher);
    try {
      await this.link.open(session);
    } catch (error) {
      this.watchers.delete(session);
      throw error;
    }
    return {
      send: (bytes) => this.send(session, bytes),
      close: () => {
        if (this.watchers.delete(session)) this.link.notify('screen.closed', { session });
      },
    };
  }

  /** Of a session that has just ended here nobody wants anything. */
  data({ session, data }: { session: number; data: string }): void {
    this.watchers.get(session)?.data(textToBytes(data));
  }

  end(session: number): void {
    const watcher = this.watchers.get(session);
    this.watchers.delete(session);
    watcher?.closed();
  }

  endAll(): void {
    for (const session of [...this.watchers.keys()]) this.end(session);
  }

  private async send(session: number, bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length && this.watchers.has(session); at += DATA_BYTES_MAX) {
      this.link.notify('screen.data', { session, data: bytesToText(bytes.subarray(at, at + DATA_BYTES_MAX)) });
      await this.link.drained();
    }
  }
}
