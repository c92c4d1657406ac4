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
const PAGE_BYTES = 4096;
const PLAIN = { links: 1, major: 0, minor: 0 } as const;
const TYPE_BITS = { directory: 0o040000, file: 0o100000, link: 0o120000, 'character-device': 0o020000 } as const;

/** A file that is not in the archive, but will lie behind it in memory, from the next page on. */
export interface FileBehind {
  readonly path: string;
  readonly mode?: number;
  readonly bytes: number;
}

/** Paths have no leading slash. Parent folders are added where missing, but for those of the file behind the archive. */
export function writeCpio(entries: readonly CpioEntry[], behind?: FileBehind): Uint8Array {
  const all = withParents(entries);
  const parts = all.map((entry, index) => encode(entry, index + 1));
  parts.push(header({ ...PLAIN, path: TRAILER, mode: 0, inode: 0 }, 0));
  const bytes = Buffer.concat(parts);
  if (!behind) return Buffer.concat([bytes, zeros(bytes.length, BLOCK_BYTES)]);
  const mode = TYPE_BITS.file | (behind.mode ?? 0o644);
  const last = header({ ...PLAIN, path: behind.path, mode, inode: all.length + 1 }, behind.bytes);
  return Buffer.concat([bytes, zeros(bytes.length + last.length, PAGE_BYTES), last]);
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
  const common = { ...PLAIN, path: entry.path, inode, data: new Uint8Array() };
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

interface Header {
  readonly path: string;
  readonly mode: number;
  readonly inode: number;
  readonly links: number;
  readonly major: number;
  readonly minor: number;
}

function member({ data, ...described }: Header & { readonly data: Uint8Array }): Buffer {
  return Buffer.concat([header(described, data.length), data, zeros(data.length, 4)]);
}

function header({ path, mode, inode, links, major, minor }: Header, bytes: number): Buffer {
  const name = Buffer.from(`${path}\0`);
  // ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
  const fields = [inode, mode, 0, 0, links, 0, bytes, 0, 0, major, minor, name.length, 0];
  const numbers = Buffer.from(MAGIC + fields.map((field) => field.toString(16).padStart(8, '0')).join(''), 'ascii');
  return Buffer.concat([numbers, name, zeros(numbers.length + name.length, 4)]);
}

function zeros(length: number, boundary: number): Buffer {
  return Buffer.alloc((boundary - (length % boundary)) % boundary);
}
