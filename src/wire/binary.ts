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

export class Writer {
  private bytes = new Uint8Array(256);
  private view = new DataView(this.bytes.buffer);
  private length = 0;

  u8(value: number): void {
    const at = this.take(1);
    this.view.setUint8(at, value);
  }

  u16(value: number): void {
    const at = this.take(2);
    this.view.setUint16(at, value, true);
  }

  u32(value: number): void {
    const at = this.take(4);
    this.view.setUint32(at, value, true);
  }

  raw(bytes: Uint8Array): void {
    const at = this.take(bytes.length);
    this.bytes.set(bytes, at);
  }

  finish(): Uint8Array {
    return this.bytes.slice(0, this.length);
  }

  /** Room for `length` bytes; moves to a larger buffer when the old one is full. */
  private take(length: number): number {
    const at = this.length;
    this.length += length;
    if (this.length > this.bytes.length) {
      const larger = new Uint8Array(Math.max(this.length, 2 * this.bytes.length));
      larger.set(this.bytes);
      this.bytes = larger;
      this.view = new DataView(larger.buffer);
    }
    return at;
  }
}

export class Reader {
  private readonly view: DataView;
  private at = 0;

  constructor(private readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  u8(): number {
    return this.view.getUint8(this.take(1));
  }

  u16(): number {
    return this.view.getUint16(this.take(2), true);
  }

  u32(): number {
    return this.view.getUint32(this.take(4), true);
  }

  raw(length: number): Uint8Array {
    const at = this.take(length);
    return this.bytes.slice(at, at + length);
  }

  get left(): number {
    return this.bytes.length - this.at;
  }

  private take(length: number): number {
    if (length > this.left) throw new DecodeError('too short');
    const at = this.at;
    this.at += length;
    return at;
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export const u8: Codec<number> = { write: (to, value) => to.u8(value), read: (from) => from.u8() };
export const u16: Codec<number> = { write: (to, value) => to.u16(value), read: (from) => from.u16() };
export const u32: Codec<number> = { write: (to, value) => to.u32(value), read: (from) => from.u32() };

export const i32: Codec<number> = { write: (to, value) => to.u32(value >>> 0), read: (from) => from.u32() | 0 };

/** Whole numbers up to 2^53 - 1: counters that outlive 32 bits. */
export const counter: Codec<number> = {
  write(to, value) {
    to.u32(value >>> 0);
    to.u32(Math.floor(value / 2 ** 32));
  },
  read(from) {
    const low = from.u32();
    const value = from.u32() * 2 ** 32 + low;
    if (!Number.isSafeInteger(value)) throw new DecodeError('counter');
    return value;
  },
};

export const flag: Codec<boolean> = {
  write: (to, value) => to.u8(value ? 1 : 0),
  read(from) {
    const value = from.u8();
    if (value > 1) throw new DecodeError('flag');
    return value === 1;
  },
};

export const bytes: Codec<Uint8Array> = {
  write(to, value) {
    to.u32(value.length);
    to.raw(value);
  },
  read: (from) => from.raw(from.u32()),
};

export const text: Codec<string> = {
  write: (to, value) => bytes.write(to, encoder.encode(value)),
  read: (from) => decoder.decode(bytes.read(from)),
};

/** One of a fixed list of words. */
export function word<const W extends string>(words: readonly W[]): Codec<W> {
  return {
    write: (to, value) => to.u8(words.indexOf(value)),
    read(from) {
      const found = words[from.u8()];
      if (found === undefined) throw new DecodeError('word');
      return found;
    },
  };
}

export function list<T>(item: Codec<T>): Codec<readonly T[]> {
  return {
    write(to, values) {
      to.u32(values.length);
      for (const value of values) item.write(to, value);
    },
    read(from) {
      const length = from.u32();
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
  return {
    // Plain loops: these two are most of what a request costs on a small engine.
    write(to, value) {
      for (let index = 0; index < names.length; index += 1) codecs[index]?.write(to, value[names[index] as keyof F]);
    },
    read(from) {
      const value: Record<string, unknown> = {};
      for (let index = 0; index < names.length; index += 1) value[names[index] as string] = codecs[index]?.read(from);
      return value as Struct<F>;
    },
  };
}

export function encode<T>(codec: Codec<T>, value: T): Uint8Array {
  const to = new Writer();
  codec.write(to, value);
  return to.finish();
}

/** Throws a DecodeError, also when bytes are left over. */
export function decode<T>(codec: Codec<T>, message: Uint8Array): T {
  const from = new Reader(message);
  const value = codec.read(from);
  if (from.left > 0) throw new DecodeError('too long');
  return value;
}
