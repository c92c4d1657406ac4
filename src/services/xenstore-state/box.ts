/**
 * What outlives State's process: a snapshot of all that it knows, and a log of the messages that have left a trace since. State is a function of the
 * two, so a fresh process answers the log's messages again and stands where the former one stood. A message is logged before its answer leaves and
 * after it was answered: one that ends State leaves nothing here.
 */
import { bytes, decode, encode, u32 } from '../../wire/binary.ts';
import { concat } from '../../wire/xenstore-message.ts';
import type { SharedRegion } from '../../xen/ports.ts';

export interface BoxPorts {
  /** Zeroed when it is new. */
  readonly log: SharedRegion;
  readSnapshot(): Uint8Array | null;
  /** All of it or nothing. */
  writeSnapshot(bytes: Uint8Array): void;
}

/** Words of the log: which snapshot it continues, how many bytes of it are used. Then messages, each behind its length. */
const SERIAL = 0;
const USED = 4;
const FIRST = 8;
const LENGTH_BYTES = 4;
/** What a snapshot begins with: its serial number. */
const SERIAL_BYTES = 4;

/** A snapshot costs what the store is long, so the log may grow with it: a change costs the same in a large store. */
const LOG_BYTES_MIN = 256 * 1024;
const LOG_PER_SNAPSHOT = 2;

export class Box {
  private used: number;
  private serial: number;
  private snapshotBytes: number;

  constructor(private readonly ports: BoxPorts) {
    const snapshot = ports.readSnapshot();
    this.serial = snapshot ? decode(u32, snapshot.subarray(0, SERIAL_BYTES)) : 0;
    this.snapshotBytes = snapshot?.length ?? 0;
    this.used = ports.log.load32(SERIAL) === this.serial ? ports.log.load32(USED) : 0;
  }

  /** null: there is none yet. */
  get snapshot(): Uint8Array | null {
    return this.ports.readSnapshot()?.subarray(SERIAL_BYTES) ?? null;
  }

  /** Those that came after the snapshot. */
  *messages(): Iterable<Uint8Array> {
    const { log } = this.ports;
    for (let at = FIRST; at < FIRST + this.used; ) {
      const length = decode(u32, log.read(at, LENGTH_BYTES));
      yield log.read(at + LENGTH_BYTES, length);
      at += LENGTH_BYTES + length;
    }
  }

  /** `save`: a snapshot with the message in it, for when it is time for one. */
  keep(message: Uint8Array, save: () => Uint8Array): void {
    const end = FIRST + this.used + LENGTH_BYTES + message.length;
    const due = this.used >= Math.max(LOG_BYTES_MIN, LOG_PER_SNAPSHOT * this.snapshotBytes);
    if (due || end > this.ports.log.size) this.replace(save());
    else this.append(message);
  }

  /** A log that belongs to an older snapshot is in it: whether it was emptied does not matter. */
  replace(snapshot: Uint8Array): void {
    this.serial += 1;
    const numbered = concat(encode(u32, this.serial), snapshot);
    this.ports.writeSnapshot(numbered);
    this.snapshotBytes = numbered.length;
    this.used = 0;
    this.ports.log.store32(USED, 0);
    this.ports.log.store32(SERIAL, this.serial);
  }

  private append(message: Uint8Array): void {
    const { log } = this.ports;
    const record = encode(bytes, message);
    log.write(FIRST + this.used, record);
    this.used += record.length;
    log.store32(USED, this.used);
  }
}
