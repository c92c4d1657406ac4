/**
 * The control command `make` of Ennead's own XenStore: many nodes in one message, each as three strings: path, permissions (`n4,r5`), value.
 * A VM's home takes some fifty nodes, and each would cost two requests.
 */
import { decodeStrings, encodeStrings, PAYLOAD_BYTES_MAX } from './xenstore-message.ts';
import { decodePermission, encodePermission, type Permission } from './xenstore-permissions.ts';

export interface MadeNode {
  readonly path: string;
  readonly value: string;
  /** The owner first; never empty. */
  readonly permissions: readonly Permission[];
}

export const MAKE = 'make';
const STRINGS_PER_NODE = 3;
const NODES_BYTES_MAX = PAYLOAD_BYTES_MAX - encodeStrings([MAKE]).length;

/** Payloads of control requests, in order, with as many nodes in each as a message holds. Throws a RangeError for a node that no message holds. */
export function encodeMake(nodes: readonly MadeNode[]): Uint8Array[] {
  const messages: string[][] = [];
  let room = 0;
  for (const { path, value, permissions } of nodes) {
    const strings = [path, permissions.map(encodePermission).join(), value];
    const length = encodeStrings(strings).length;
    if (length > NODES_BYTES_MAX) throw new RangeError(`${path}: ${length} bytes`);
    if (strings.some((text) => text.includes('\0'))) throw new RangeError(`${path}: a NUL`);
    if (length > room) {
      messages.push([MAKE]);
      room = NODES_BYTES_MAX;
    }
    messages.at(-1)?.push(...strings);
    room -= length;
  }
  return messages.map((strings) => encodeStrings(strings));
}

/** null: not the command, or not well-formed. */
export function decodeMake(payload: Uint8Array): MadeNode[] | null {
  const { strings, tail } = decodeStrings(payload);
  const [command, ...rest] = strings;
  if (command !== MAKE || tail.length > 0 || rest.length % STRINGS_PER_NODE !== 0) return null;
  const nodes: MadeNode[] = [];
  for (let at = 0; at < rest.length; at += STRINGS_PER_NODE) {
    const [path = '', texts = '', value = ''] = rest.slice(at, at + STRINGS_PER_NODE);
    const permissions = texts.split(',').map(decodePermission);
    if (!permissions.every((permission) => permission !== null)) return null;
    nodes.push({ path, value, permissions });
  }
  return nodes;
}
