/**
 * Logic's notes to whoever starts after it, in pages that State keeps for it: which change it has asked State for and how far it has told
 * of it, which batch of ring writes it is carrying out, whom it is serving. All of it is written before the fact and settled after it, so that
 * a Logic that ends anywhere is followed by one that ends the same work, once. Who reads it believes only what can be true.
 */
import { JOURNAL_PAGES, type StateRequest } from '../../contracts/xenstore-state.ts';
import { bytes, DecodeError, decode, encode, list, struct, u16, word } from '../../wire/binary.ts';
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
/** Words of a batch. Then two for each published index, then the messages. */
const BATCH = 32;
const WORDS = { through: 0, last: 1, published: 2, number: 3, consumedOf: 4, consumer: 5, messages: 6 } as const;
const HEAD_WORDS = 7;
/** The last page: how often in a row the serving of a client has ended Logic. Clients share a word if there are many. */
const FAILURE_WORDS = 1024;
const FAILURES = JOURNAL_PAGES * 4096 - 4 * FAILURE_WORDS;

const messages = list(struct({ domid: u16, kind: word(['event', 'reply']), message: bytes }));

/** What is done at once, or not at all. */
export interface Batch {
  /** How many messages of the change these are, with those before. */
  readonly through: number;
  readonly last: boolean;
  /** The new producer indices of rings into which bytes were put. */
  readonly published: ReadonlyMap<DomId, number>;
  /** For State's queue. */
  readonly queued: StateRequest<'queue'>;
  /** The new consumer index of the ring whose request this ends. */
  readonly consumed: { readonly domid: DomId; readonly consumer: number } | null;
}

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

  begin({ through, last, published, queued, consumed }: Batch): void {
    const words = new Uint32Array(HEAD_WORDS + 2 * published.size);
    words[WORDS.through] = through;
    words[WORDS.last] = last ? 1 : 0;
    words[WORDS.published] = published.size;
    words[WORDS.number] = queued.batch;
    words[WORDS.consumedOf] = consumed ? consumed.domid + 1 : 0;
    words[WORDS.consumer] = consumed?.consumer ?? 0;
    words[WORDS.messages] = queued.messages.length;
    let at = HEAD_WORDS;
    published.forEach((producer, domid) => {
      words[at] = domid;
      words[at + 1] = producer;
      at += 2;
    });
    this.pages.write(BATCH, new Uint8Array(words.buffer));
    let length = words.byteLength;
    if (queued.messages.length > 0) {
      const encoded = encode(messages, queued.messages);
      this.pages.write(BATCH + length, encoded);
      length += encoded.length;
    }
    this.pages.store32(BATCH_LENGTH, length);
  }

  /** null: none was begun, or what is there is none. */
  get begun(): Batch | null {
    const length = this.pages.load32(BATCH_LENGTH);
    if (length < 4 * HEAD_WORDS || BATCH + length > FAILURES) return null;
    const read = this.pages.read(BATCH, length);
    const view = new DataView(read.buffer, read.byteOffset, length);
    const word = (index: number): number => view.getUint32(4 * index, true);
    const end = HEAD_WORDS + 2 * word(WORDS.published);
    if (4 * end > length) return null;
    const published = new Map<DomId, number>();
    for (let at = HEAD_WORDS; at < end; at += 2) published.set(word(at), word(at + 1));
    const encoded = read.subarray(4 * end);
    const queued = word(WORDS.messages) === 0 ? [] : decodeMessages(encoded);
    return (
      queued && {
        through: word(WORDS.through),
        last: word(WORDS.last) !== 0,
        published,
        queued: { batch: word(WORDS.number), messages: queued },
        consumed:
          word(WORDS.consumedOf) === 0 ? null : { domid: word(WORDS.consumedOf) - 1, consumer: word(WORDS.consumer) },
      }
    );
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
    return FAILURES + 4 * (domid % FAILURE_WORDS);
  }
}

function decodeMessages(encoded: Uint8Array): Batch['queued']['messages'] | null {
  try {
    return decode(messages, encoded);
  } catch (error) {
    if (error instanceof DecodeError) return null;
    throw error;
  }
}
