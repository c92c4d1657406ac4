/** One guest's console for its operators: a bounded backlog, any number of watchers, and input that waits for room in the line. */
import { Backlog } from './backlog.ts';
import type { ConsoleLine, OpenLine } from './console-line.ts';
import { printable } from './printable.ts';

export const BACKLOG_BYTES_MAX = 128 * 1024;
/** What may wait for a guest that does not read; the rest is lost, as on a real serial line. */
export const INPUT_BYTES_MAX = 16 * 1024;
/** Where the last line is looked for. */
const TAIL_BYTES = 4096;
const PANIC = /Kernel panic/;
const NOTHING = new Uint8Array(0);

export interface ConsoleWatcher {
  output(bytes: Uint8Array): void;
  ended(reason: string): void;
}

/** Lives as long as the guest's name: a restart attaches it to the next domain's line, and watchers stay. */
export class GuestConsole {
  private line: ConsoleLine | null = null;
  private readonly watchers = new Set<ConsoleWatcher>();
  private readonly backlog = new Backlog(BACKLOG_BYTES_MAX);
  private input: Uint8Array = NOTHING;

  attach(open: OpenLine): void {
    this.line = open({
      output: (bytes) => this.publish(bytes),
      room: () => this.pass(),
      broken: (why) => this.broken(why),
    });
    this.pass();
  }

  detach(): void {
    // What the guest has said last is still in its ring.
    this.pass();
    this.line?.close();
    this.line = null;
    this.input = NOTHING;
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
    if (!this.line) return false;
    const taken = bytes.subarray(0, INPUT_BYTES_MAX - this.input.length);
    const joined = new Uint8Array(this.input.length + taken.length);
    joined.set(this.input);
    joined.set(taken, this.input.length);
    this.input = joined;
    this.pass();
    return taken.length === bytes.length;
  }

  /** The end of the guest: every watcher is told and let go. */
  end(reason: string): void {
    this.detach();
    this.tellEnd(reason);
  }

  /** For error messages: the last line that holds anything. A Linux that panics says why some lines before its end. */
  lastLine(): string {
    const lines = new TextDecoder().decode(this.backlog.contents().slice(-TAIL_BYTES)).split(/[\r\n]+/);
    return printable(lines.findLast((line) => PANIC.test(line)) ?? lines.findLast((line) => line.trim() !== '') ?? '');
  }

  private pass(): void {
    const taken = this.line?.put(this.input) ?? 0;
    this.input = this.input.subarray(taken);
  }

  private publish(output: Uint8Array): void {
    this.backlog.push(output);
    for (const watcher of this.watchers) watcher.output(output);
  }

  private broken(why: string): void {
    this.line = null;
    this.tellEnd(why);
  }

  private tellEnd(reason: string): void {
    for (const watcher of this.watchers) watcher.ended(reason);
    this.watchers.clear();
  }
}
