/** Values and trees as the xenstore-* tools print them. */
import type { StoreNode } from '../contracts/toolstack.ts';

const named: ReadonlyMap<number, string> = new Map([
  [0x09, '\\t'],
  [0x0a, '\\n'],
  [0x0d, '\\r'],
  [0x5c, '\\\\'],
]);

function escapeByte(byte: number): string {
  if (byte < 8) return `\\${byte.toString(8).padStart(3, '0')}`;
  if (byte < 0x20 || byte >= 0x7f) return `\\x${byte.toString(16).padStart(2, '0')}`;
  return String.fromCharCode(byte);
}

/** What a terminal cannot show, as an escape. */
export const escapeValue = (value: string): string =>
  [...new TextEncoder().encode(value)].map((byte) => named.get(byte) ?? escapeByte(byte)).join('');

const bytesOf = { t: 0x09, n: 0x0a, r: 0x0d, '\\': 0x5c } as const;

/** The opposite. A backslash before anything else stands for that. */
export function unescapeValue(text: string): string {
  const bytes: number[] = [];
  for (const [whole, octal, hex, name] of text.matchAll(/\\([0-7]{1,3})|\\x([0-9a-fA-F]{1,2})|\\([\s\S])|[^\\]+|\\/g)) {
    if (octal !== undefined) bytes.push(Number.parseInt(octal, 8) & 0xff);
    else if (hex !== undefined) bytes.push(Number.parseInt(hex, 16));
    else if (name !== undefined && Object.hasOwn(bytesOf, name)) bytes.push(bytesOf[name as keyof typeof bytesOf]);
    else bytes.push(...new TextEncoder().encode(name ?? whole));
  }
  return new TextDecoder().decode(Uint8Array.from(bytes));
}

export interface TreeFormat {
  /** Whole paths, nothing cut. */
  readonly full?: true;
  readonly permissions?: true;
}

/** xenstore-ls cuts a value so that its line ends about here. */
const LINE_WIDTH = 80;
/** ` = "` and `\..."` with what xenstore-ls leaves to spare. */
const AROUND_VALUE = 8;
const PERMISSIONS_COLUMN = 60;

/** The nodes below `top`, parents before their children. */
export function formatTree(top: string, nodes: readonly StoreNode[], format: TreeFormat = {}): string {
  return nodes.map((node) => `${format.full ? fullLine(node, format) : shortLine(top, node, format)}\n`).join('');
}

function fullLine({ path, value, permissions }: StoreNode, format: TreeFormat): string {
  return `${path} = "${escapeValue(value)}"${format.permissions ? `   (${permissions.join(',')})` : ''}`;
}

function shortLine(top: string, { path, value, permissions }: StoreNode, format: TreeFormat): string {
  const below = path.slice(top === '/' ? 1 : top.length + 1).split('/');
  const name = `${' '.repeat(below.length - 1)}${below.at(-1)}`;
  const escaped = escapeValue(value);
  const room = LINE_WIDTH - AROUND_VALUE - name.length;
  // Escapes count for nothing in what is too long, but take room in what is left.
  const tooLong = new TextEncoder().encode(value).length > room;
  const line = `${name} = "${tooLong ? `${escaped.slice(0, Math.max(0, room))}\\...` : escaped}"`;
  return format.permissions ? `${line}${dots(line.length)}  (${permissions.join(',')})` : line;
}

/** Under each other in all lines; after a space, which a line that is too long has as well. */
function dots(from: number): string {
  let text = ' ';
  for (let column = from + 1; column < PERMISSIONS_COLUMN; column += 1) text += column % 2 === 1 ? '.' : ' ';
  return text;
}
