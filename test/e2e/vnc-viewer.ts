/**
 * A VNC viewer that types: enough of RFB 3.8 to be let in and to press keys. What is on the screen tests see by `ennead screenshot`.
 * @source RFC 6143
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

const VERSION = 'RFB 003.008\n';
const NO_AUTHENTICATION = 1;
const KEY_EVENT = 4;
const RETURN = 0xff0d;
const ANSWER_TIMEOUT_MS = 60_000;

export class VncViewer {
  private received = Buffer.alloc(0);

  private constructor(private readonly socket: Socket) {
    socket.on('data', (bytes) => {
      this.received = Buffer.concat([this.received, bytes]);
    });
  }

  /** Resolves when the server has let this viewer in; the name is the screen's. */
  static async open(port: number): Promise<{ viewer: VncViewer; name: string; width: number; height: number }> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    const viewer = new VncViewer(socket);
    if ((await viewer.take(12)).toString() !== VERSION) throw new Error('the server does not speak RFB 3.8');
    socket.write(VERSION);
    const [count] = await viewer.take(1);
    const offered = await viewer.take(count!);
    if (!offered.includes(NO_AUTHENTICATION)) throw new Error(`the server wants one of ${[...offered].join(', ')}`);
    socket.write(Buffer.from([NO_AUTHENTICATION]));
    if ((await viewer.take(4)).readUInt32BE() !== 0) throw new Error('the server let nobody in');
    // Others may look at the same time.
    socket.write(Buffer.from([1]));
    const start = await viewer.take(24);
    const name = await viewer.take(start.readUInt32BE(20));
    return { viewer, name: name.toString(), width: start.readUInt16BE(0), height: start.readUInt16BE(2) };
  }

  /** Printable characters, by their codes, and Return at the end. */
  typeLine(text: string): void {
    for (const key of [...[...text].map((character) => character.codePointAt(0)!), RETURN]) {
      for (const down of [1, 0]) {
        const event = Buffer.alloc(8);
        event.set([KEY_EVENT, down]);
        event.writeUInt32BE(key, 4);
        this.socket.write(event);
      }
    }
  }

  async close(): Promise<void> {
    const closed = once(this.socket, 'close');
    this.socket.destroy();
    await closed;
  }

  private async take(length: number): Promise<Buffer> {
    const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
    while (this.received.length < length) {
      if (this.socket.readableEnded) throw new Error('the server has gone');
      await once(this.socket, 'data', { signal });
    }
    const taken = this.received.subarray(0, length);
    this.received = this.received.subarray(length);
    return taken;
  }
}
