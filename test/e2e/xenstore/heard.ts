/** What domain 0 hears while it plays a program, and how that travels to the test: in lines of the serial console. */

/** Of one step. */
export interface Heard {
  /** `+` and the payload, `-` and an error's name, or a word of domain 0's own. A NUL is a `~`. */
  readonly answer: string;
  /** `path~token~`: watch events that came to the step's domain between its last answer and this one, in their order. */
  readonly events: readonly string[];
}

/** Domain 0's lines reach Xen in small pieces, between which another domain's line may fall: they are short, counted and marked at both ends. */
const PIECE_LENGTH = 90;
const LINE = /\bheard (\d+) (\d+)\/(\d+) <(.*)>/;
export const DONE = 'all played';

/** `program`: its place among those that are played. */
export function encodeHeard(program: number, heard: readonly Heard[]): string[] {
  const text = inAscii(JSON.stringify(heard.map(({ answer, events }) => [answer, ...events])));
  const count = Math.ceil(text.length / PIECE_LENGTH);
  return Array.from({ length: count }, (_, piece) => {
    const part = text.slice(piece * PIECE_LENGTH, (piece + 1) * PIECE_LENGTH);
    return `heard ${program} ${piece + 1}/${count} <${part}>`;
  });
}

const inAscii = (json: string): string =>
  json.replace(/[^\x20-\x7e]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** Puts the lines together again. */
export class Listener {
  private readonly pieces = new Map<number, Map<number, string>>();
  private readonly counts = new Map<number, number>();

  take(line: string): void {
    const [, program, piece, count, text] = LINE.exec(line) ?? [];
    if (text === undefined) return;
    const known = this.pieces.get(Number(program)) ?? new Map<number, string>();
    this.pieces.set(Number(program), known.set(Number(piece), text));
    this.counts.set(Number(program), Number(count));
  }

  /** @throws when a line was lost or cut in two */
  heard(program: number): Heard[] {
    const pieces = this.pieces.get(program) ?? new Map<number, string>();
    const count = this.counts.get(program) ?? 0;
    const numbers = Array.from({ length: count }, (_, index) => index + 1);
    const missing = numbers.filter((number) => !pieces.has(number));
    if (count === 0 || missing.length > 0) throw new Error(`program ${program}: lines ${missing} of ${count} are lost`);
    const all: [string, ...string[]][] = JSON.parse(numbers.map((number) => pieces.get(number)).join(''));
    return all.map(([answer, ...events]) => ({ answer, events }));
  }
}
