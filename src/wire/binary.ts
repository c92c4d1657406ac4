/** Codecs for our own binary conversations: little-endian, every length bounded by the message it is in, nothing left over. */

/** The bytes are not what the codec describes. */
export class DecodeError extends Error {
  override readonly name = 'DecodeError';
}

export interface Codec<T> {
  write(to: Writer, value: T): void;
  read(from: Reader): T;
}
export type Decoded<C> = C extends Codec<infer T> ? T : never;

const WRITER_BYTES = 512;
/** More than any message or snapshot of ours takes. */
const MESSAGE_BYTES_MAX = 256 * 1024 * 1024;

/**
 * Both are open to this file's codecs, which reach into them: a call for each number would be most of what a message costs on a small engine. Where
 * a buffer or a message ends is found out by its view, which throws a RangeError.
 */
export class Writer {
  length = 0;
  readonly view: DataView;

  constructor(readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer);
  }
}

export class Reader {
  readonly view: DataView;
  at = 0;

  constructor(readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** The next bytes, as a part of the message. */
  part(length: number): Uint8Array {
    const from = this.at;
    const to = from + length;
    if (to > this.bytes.length) throw new DecodeError('too short');
    this.at = to;
    return this.bytes.subarray(from, to);
  }

  get left(): number {
    return this.bytes.length - this.at;
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export const u8: Codec<number> = {
  write(to, value) {
    const at = to.length;
    to.length = at + 1;
    to.view.setUint8(at, value);
  },
  read(from) {
    const at = from.at;
    from.at = at + 1;
    return from.view.getUint8(at);
  },
};

export const u16: Codec<number> = {
  write(to, value) {
    const at = to.length;
    to.length = at + 2;
    to.view.setUint16(at, value, true);
  },
  read(from) {
    const at = from.at;
    from.at = at + 2;
    return from.view.getUint16(at, true);
  },
};

export const u32: Codec<number> = {
  write(to, value) {
    const at = to.length;
    to.length = at + 4;
    to.view.setUint32(at, value, true);
  },
  read(from) {
    const at = from.at;
    from.at = at + 4;
    return from.view.getUint32(at, true);
  },
};

export const i32: Codec<number> = {
  write: (to, value) => u32.write(to, value >>> 0),
  read: (from) => u32.read(from) | 0,
};

/** Whole numbers up to 2^53 - 1: counters that outlive 32 bits. */
export const counter: Codec<number> = {
  write(to, value) {
    u32.write(to, value >>> 0);
    u32.write(to, Math.floor(value / 2 ** 32));
  },
  read(from) {
    const low = u32.read(from);
    const value = u32.read(from) * 2 ** 32 + low;
    if (!Number.isSafeInteger(value)) throw new DecodeError('counter');
    return value;
  },
};

export const flag: Codec<boolean> = {
  write: (to, value) => u8.write(to, value ? 1 : 0),
  read(from) {
    const value = u8.read(from);
    if (value > 1) throw new DecodeError('flag');
    return value === 1;
  },
};

export const bytes: Codec<Uint8Array> = {
  write(to, value) {
    const at = to.length;
    to.length = at + 4 + value.length;
    to.view.setUint32(at, value.length, true);
    to.bytes.set(value, at + 4);
  },
  read: (from) => from.part(u32.read(from)).slice(),
};

export const text: Codec<string> = {
  write: (to, value) => bytes.write(to, encoder.encode(value)),
  read: (from) => decoder.decode(from.part(u32.read(from))),
};

/** One of a fixed list of words. */
export function word<const W extends string>(words: readonly W[]): Codec<W> {
  return {
    write: (to, value) => u8.write(to, words.indexOf(value)),
    read(from) {
      const found = words[u8.read(from)];
      if (found === undefined) throw new DecodeError('word');
      return found;
    },
  };
}

export function list<T>(item: Codec<T>): Codec<readonly T[]> {
  return {
    write(to, values) {
      u32.write(to, values.length);
      for (const value of values) item.write(to, value);
    },
    read(from) {
      const length = u32.read(from);
      // Every item takes a byte at least: a promise of more is a lie, and never becomes an allocation.
      if (length > from.left) throw new DecodeError('list');
      const values: T[] = [];
      while (values.length < length) values.push(item.read(from));
      return values;
    },
  };
}

export function nullable<T>(inner: Codec<T>): Codec<T | null> {
  return {
    write(to, value) {
      flag.write(to, value !== null);
      if (value !== null) inner.write(to, value);
    },
    read: (from) => (flag.read(from) ? inner.read(from) : null),
  };
}

type Fields = Readonly<Record<string, Codec<unknown>>>;
type Struct<F> = { readonly [K in keyof F]: Decoded<F[K]> };

/** Fields in the order in which they are listed. */
export function struct<const F extends Fields>(fields: F): Codec<Struct<F>> {
  const names = Object.keys(fields);
  const codecs = Object.values<Codec<unknown>>(fields);
  const count = names.length;
  return {
    // Plain loops: these two are most of what a request costs on a small engine.
    write(to, value) {
      for (let index = 0; index < count; index += 1) codecs[index]!.write(to, value[names[index] as keyof F]);
    },
    read(from) {
      const value: Record<string, unknown> = {};
      for (let index = 0; index < count; index += 1) value[names[index]!] = codecs[index]!.read(from);
      return value as Struct<F>;
    },
  };
}

/** Used again and again. */
const writer = new Writer(new Uint8Array(WRITER_BYTES));

/** A message that does not fit is written again, into twice as much room. */
export function encode<T>(codec: Pick<Codec<T>, 'write'>, value: T): Uint8Array {
  for (let to = writer; ; to = new Writer(new Uint8Array(2 * to.bytes.length))) {
    try {
      to.length = 0;
      codec.write(to, value);
      return to.bytes.slice(0, to.length);
    } catch (error) {
      if (!(error instanceof RangeError) || to.bytes.length >= MESSAGE_BYTES_MAX) throw error;
    }
  }
}

/** Throws a DecodeError, also when bytes are left over. */
export function decode<T>(codec: Codec<T>, message: Uint8Array): T {
  const from = new Reader(message);
  const value = readFrom(codec, from);
  if (from.left > 0) throw new DecodeError('too long');
  return value;
}

/** What comes next. Throws a DecodeError. */
export function readFrom<T>(codec: Codec<T>, from: Reader): T {
  try {
    return codec.read(from);
  } catch (error) {
    throw error instanceof RangeError ? new DecodeError('too short') : error;
  }
}
