/**
 * Archives in the format that the kernel unpacks as initramfs: "newc", uncompressed, padded so that archives can follow
 * each other. The same entries give the same bytes: sorted, owned by root, all times zero.
 * @source linux Documentation/driver-api/early-userspace/buffer-format.rst
 */

export type CpioEntry =
  | { readonly kind: 'directory'; readonly path: string; readonly mode?: number }
  | { readonly kind: 'file'; readonly path: string; readonly mode?: number; readonly bytes: Uint8Array }
  | { readonly kind: 'link'; readonly path: string; readonly target: string }
  | {
      readonly kind: 'character-device';
      readonly path: string;
      readonly mode?: number;
      readonly major: number;
      readonly minor: number;
    };

const MAGIC = '070701';
const TRAILER = 'TRAILER!!!';
/** Archives end on this boundary. */
const BLOCK_BYTES = 512;
const TYPE_BITS = { directory: 0o040000, file: 0o100000, link: 0o120000, 'character-device': 0o020000 } as const;

/** Paths have no leading slash. Parent folders are added where missing. */
export function writeCpio(entries: readonly CpioEntry[]): Uint8Array {
  const all = withParents(entries);
  const parts = all.map((entry, index) => encode(entry, index + 1));
  parts.push(member({ path: TRAILER, mode: 0, inode: 0, links: 1, major: 0, minor: 0, data: new Uint8Array() }));
  const bytes = Buffer.concat(parts);
  return Buffer.concat([bytes, zeros(bytes.length, BLOCK_BYTES)]);
}

function withParents(entries: readonly CpioEntry[]): CpioEntry[] {
  const byPath = new Map<string, CpioEntry>();
  for (const entry of entries) {
    if (!/^[^/\0]+(\/[^/\0]+)*$/.test(entry.path)) throw new RangeError(`archive path ${JSON.stringify(entry.path)}`);
    if (byPath.has(entry.path)) throw new RangeError(`two entries for ${entry.path}`);
    byPath.set(entry.path, entry);
  }
  for (const { path } of entries) {
    const names = path.split('/');
    for (let depth = 1; depth < names.length; depth++) {
      const parent = names.slice(0, depth).join('/');
      if (!byPath.has(parent)) byPath.set(parent, { kind: 'directory', path: parent });
    }
  }
  // Byte order, so that a folder comes before what is in it and no locale has a say.
  return [...byPath.values()].sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
}

function encode(entry: CpioEntry, inode: number): Buffer {
  const common = { path: entry.path, inode, major: 0, minor: 0, links: 1, data: new Uint8Array() };
  const type = TYPE_BITS[entry.kind];
  switch (entry.kind) {
    case 'directory':
      return member({ ...common, mode: type | (entry.mode ?? 0o755), links: 2 });
    case 'file':
      return member({ ...common, mode: type | (entry.mode ?? 0o644), data: entry.bytes });
    case 'link':
      return member({ ...common, mode: type | 0o777, data: Buffer.from(entry.target) });
    case 'character-device':
      return member({ ...common, mode: type | (entry.mode ?? 0o600), major: entry.major, minor: entry.minor });
  }
}

interface Member {
  readonly path: string;
  readonly mode: number;
  readonly inode: number;
  readonly links: number;
  readonly major: number;
  readonly minor: number;
  readonly data: Uint8Array;
}

function member({ path, mode, inode, links, major, minor, data }: Member): Buffer {
  const name = Buffer.from(`${path}\0`);
  // ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
  const fields = [inode, mode, 0, 0, links, 0, data.length, 0, 0, major, minor, name.length, 0];
  const header = Buffer.from(MAGIC + fields.map((field) => field.toString(16).padStart(8, '0')).join(''), 'ascii');
  return Buffer.concat([header, name, zeros(header.length + name.length, 4), data, zeros(data.length, 4)]);
}

function zeros(length: number, boundary: number): Buffer {
  return Buffer.alloc((boundary - (length % boundary)) % boundary);
}
