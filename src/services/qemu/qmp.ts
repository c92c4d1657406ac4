/**
 * A client of QEMU's monitor: JSON, one message to a line. QEMU is as trustworthy as its guest, so that what it says is bounded and checked.
 * @source QEMU 7.2 docs/interop/qmp-spec.txt
 */
import * as z from 'zod/mini';
import { lineTransport } from '../../kit/line-transport.ts';
import type { ByteStream, Clock } from '../../xen/ports.ts';

const LINE_BYTES_MAX = 64 * 1024;
const COMMANDS_MAX = 16;
/** QEMU answers between two pieces of the guest's work. Under emulation, a screen takes it a second. */
const ANSWER_MS = 20_000;
const TEXT_LENGTH_MAX = 200;

const greeting = z.object({ QMP: z.unknown() });
const answer = z.object({ id: z.int(), return: z.unknown() });
const refusal = z.object({ id: z.int(), error: z.object({ class: z.string(), desc: z.string() }) });
const event = z.object({
  event: z.string().check(z.maxLength(64)),
  data: z.optional(z.record(z.string(), z.unknown())),
});
const message = z.union([answer, refusal, event, greeting]);

export interface QmpEvent {
  readonly name: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** QEMU said no, or nothing, or what it may not say. */
export class QmpError extends Error {
  override readonly name = 'QmpError';
}

interface Waiting {
  resolve(result: unknown): void;
  reject(error: QmpError): void;
  cancelTimer(): void;
}

export class Qmp {
  private readonly transport;
  private readonly waiting = new Map<number, Waiting>();
  private lastId = 0;
  private closedWhy: string | null = null;

  constructor(
    stream: ByteStream,
    private readonly clock: Clock,
    private readonly onEvent: (event: QmpEvent) => void,
  ) {
    this.transport = lineTransport(stream, stream, LINE_BYTES_MAX);
    this.transport.onClosed((why) => this.closed(why));
    this.transport.onMessage((line) => this.receive(line));
  }

  /** Resolves when QEMU's main loop runs and takes commands. */
  async ready(timeoutMs: number): Promise<void> {
    await this.execute('qmp_capabilities', {}, timeoutMs);
  }

  execute(command: string, parameters: object = {}, timeoutMs = ANSWER_MS): Promise<unknown> {
    if (this.closedWhy !== null) return Promise.reject(new QmpError(`${command}: ${this.closedWhy}`));
    if (this.waiting.size >= COMMANDS_MAX) return Promise.reject(new QmpError(`${command}: too many commands at once`));
    const id = ++this.lastId;
    return new Promise((resolve, reject) => {
      const cancelTimer = this.clock.after(timeoutMs, () => {
        this.waiting.delete(id);
        reject(new QmpError(`${command}: no answer in ${timeoutMs} ms`));
      });
      this.waiting.set(id, { resolve, reject, cancelTimer });
      this.transport.send(new TextEncoder().encode(JSON.stringify({ execute: command, arguments: parameters, id })));
    });
  }

  close(): void {
    this.transport.close();
  }

  private receive(line: Uint8Array): void {
    const said = parsed(line);
    if (said === null) this.transport.close();
    else if ('event' in said) this.onEvent({ name: said.event, data: said.data ?? {} });
    else if ('return' in said) this.settle(said.id)?.resolve(said.return);
    else if ('error' in said) this.settle(said.id)?.reject(new QmpError(printable(said.error.desc)));
  }

  private settle(id: number): Waiting | undefined {
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    waiting?.cancelTimer();
    return waiting;
  }

  private closed(why: string): void {
    this.closedWhy = why;
    for (const id of [...this.waiting.keys()]) this.settle(id)?.reject(new QmpError(why));
  }
}

function parsed(line: Uint8Array): z.infer<typeof message> | null {
  try {
    const result = z.safeParse(message, JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(line)));
    return result.success ? result.data : null;
  } catch {
    return null;
  }
}

/** For logs and messages: one line, of a bounded length. */
export const printable = (text: string): string => text.replace(/[^\x20-\x7e]+/g, ' ').slice(0, TEXT_LENGTH_MAX);
