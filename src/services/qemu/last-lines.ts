/** The last lines of what a program writes, of which there may be any amount. */
import { printable } from './qmp.ts';

const LINES_MAX = 12;
const LINE_LENGTH_MAX = 400;

export class LastLines {
  private readonly complete: string[] = [];
  private open = '';

  add(bytes: Uint8Array): void {
    const [first = '', ...more] = new TextDecoder().decode(bytes).split('\n');
    this.extend(first);
    for (const text of more) {
      this.close();
      this.extend(text);
    }
  }

  /** Without empty ones. */
  lines(): readonly string[] {
    return [...this.complete, this.open].map((line) => printable(line).trim()).filter((line) => line !== '');
  }

  private extend(text: string): void {
    this.open = (this.open + text).slice(0, LINE_LENGTH_MAX);
  }

  private close(): void {
    this.complete.push(this.open);
    if (this.complete.length > LINES_MAX) this.complete.shift();
    this.open = '';
  }
}
