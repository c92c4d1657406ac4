/**
 * Logic's notes to whoever starts after it, in pages that State keeps for it: which change it has asked State for and how far it has told
 * of it, which batch of ring writes it is carrying out, whom it is serving. All of it is written before the fact and settled after it, so that
 * a Logic that ends anywhere is followed by one that ends the same work, once. Who reads it believes only what can be true.
 */
import { bytes, DecodeError, decode, encode, flag, list, nullable, struct, u16, u32, word } from '../../wire/binary.ts';
import type { DomId, SharedRegion } from '../../xen/ports.ts';

/** Words: the change that State was asked for last, the last one that everybody has been told of, how many messages of it went out. */
const ASKED = 0;
const TOLD = 4;
const THROUGH = 8;
/** The domid of the client that is being served, and 1. 0: none. */
const SERVING = 12;
/** How many batches have had messages for State's queue. */
const BATCHES = 16;
/** The length of the batch that is being carried out. 0: none. */
const BATCH_LENGTH = 20;
/** How often in a row somebody has failed to end what is noted here. */
const RECOVERIES = 24;
/** Not 0: a port or a ring is being opened or closed. */
const HANDLES = 28;
const BATCH = 32;
/** The last page: how often in a row the serving of a client has ended Logic. Clients share a word if there are many. */
const FAILURE_WORDS = 1024;

/**
 * What is done at once, or not at all: the new producer indices of rings into which bytes were put, messages for State's queue, the new consumer
 * index of the ring whose request this ends. `through`: how many messages of the change these are, with those before.
 */
const batch = struct({
  through: u32,
  last: flag,
  published: list(struct({ domid: u16, producer: u32 })),
  queued: struct({
    batch: u32,
    messages: list(struct({ domid: u16, kind: word(['event', 'reply']), message: bytes })),
  }),
  consumed: nullable(struct({ domid: u16, consumer: u32 })),
});
export type Batch = ReturnType<typeof batch.read>;

/** Bounds of one batch. With them it is shorter than its pages. */
export const BATCH_CLIENTS_MAX = 256;
export const BATCH_QUEUED_BYTES_MAX = 16 * 1024;

/** What cannot be ended in so many tries is given up, so that Logic does not fail for ever. */
const RECOVERIES_MAX = 3;

export class Journal {
  constructor(private readonly pages: SharedRegion) {}

  recover(endBegun: () => void): void {
    const before = this.pages.load32(RECOVERIES);
    if (before >= RECOVERIES_MAX) {
      this.pages.store32(BATCH_LENGTH, 0);
      this.forgetAsked();
    }
    this.pages.store32(RECOVERIES, before + 1);
    endBegun();
    this.pages.store32(RECOVERIES, 0);
  }

  /** Opens or closes ports and rings, and saves which there are. */
  withHandles<T>(work: () => T): T {
    this.pages.store32(HANDLES, 1);
    const result = work();
    this.pages.store32(HANDLES, 0);
    return result;
  }

  /** Something may be open that nobody knows of: only the end of the process closes it. */
  get handlesAreUnsure(): boolean {
    return this.pages.load32(HANDLES) !== 0;
  }

  /** A process has just started, and has nothing open. */
  forgetHandles(): void {
    this.pages.store32(HANDLES, 0);
  }

  /** The number of a change that State is now going to be asked for. */
  ask(): number {
    const number = (this.pages.load32(TOLD) % 0xffffffff) + 1;
    this.pages.store32(THROUGH, 0);
    this.pages.store32(ASKED, number);
    return number;
  }

  /** The number of the change that not everybody has been told of, if there is one. */
  get untold(): number | null {
    const asked = this.pages.load32(ASKED);
    return asked === this.pages.load32(TOLD) ? null : asked;
  }

  /** How many of its messages went out. */
  get through(): number {
    return this.pages.load32(THROUGH);
  }

  /** The change that was asked for never came to State. */
  forgetAsked(): void {
    this.pages.store32(ASKED, this.pages.load32(TOLD));
  }

  get nextBatch(): number {
    return (this.pages.load32(BATCHES) % 0xffffffff) + 1;
  }

  begin(work: Batch): void {
    const body = encode(batch, work);
    this.pages.write(BATCH, body);
    this.pages.store32(BATCH_LENGTH, body.length);
  }

  /** null: none was begun, or what is there is none. */
  get begun(): Batch | null {
    const length = this.pages.load32(BATCH_LENGTH);
    if (length === 0 || BATCH + length > this.failures) return null;
    try {
      return decode(batch, this.pages.read(BATCH, length));
    } catch (error) {
      if (error instanceof DecodeError) return null;
      throw error;
    }
  }

  end({ through, last, queued }: Batch): void {
    if (last) this.pages.store32(TOLD, this.pages.load32(ASKED));
    else this.pages.store32(THROUGH, through);
    if (queued.messages.length > 0) this.pages.store32(BATCHES, queued.batch);
    this.pages.store32(BATCH_LENGTH, 0);
  }

  serve(domid: DomId): void {
    this.pages.store32(SERVING, domid + 1);
  }

  served(domid: DomId): void {
    this.pages.store32(SERVING, 0);
    if (this.failuresOf(domid) !== 0) this.pages.store32(this.failureWord(domid), 0);
  }

  /** Whose serving was cut short, if anybody's; counts it. */
  cutShort(): { readonly domid: DomId; readonly failures: number } | null {
    const domid = this.pages.load32(SERVING) - 1;
    if (domid < 0) return null;
    const failures = this.failuresOf(domid) + 1;
    this.pages.store32(this.failureWord(domid), failures);
    this.pages.store32(SERVING, 0);
    return { domid, failures };
  }

  private failuresOf(domid: DomId): number {
    return this.pages.load32(this.failureWord(domid));
  }

  private failureWord(domid: DomId): number {
    return this.failures + 4 * (domid % FAILURE_WORDS);
  }

  private get failures(): number {
    return this.pages.size - 4 * FAILURE_WORDS;
  }
}
