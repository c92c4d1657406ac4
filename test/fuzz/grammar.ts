/** Requests of XenStore, and what is nearly one: each of them one input of the fuzzer. */
import type { Random } from './random.ts';

const HEADER_BYTES = 16;
const PAYLOAD_BYTES_MAX = 4096;

const NUL = Buffer.of(0);
const text = (value: string): Buffer => Buffer.from(value, 'utf8');
const repeated = (value: string, count: number): Buffer => text(value.repeat(count));

/** What a field of a payload may be; all but the last value of a WRITE end in a NUL. */
const fields = {
  path: [
    ...['a', 'b', 'a/b', 'a/b/c', 'b/c', 'domid', '/local/domain/16', '/local/domain/16/a', '/local/domain/18/a/b'],
    ...['/local/domain/17', '/local/domain/17/x', '/local/domain/4', '/local', '/', '/fuzz', '/fuzz/a', '/fuzz/a/b'],
    ...[
      '@introduceDomain',
      '@releaseDomain',
      '@other',
      '@',
      '',
      '//',
      'a//b',
      'a/',
      '/a/',
      '.',
      '..',
      '../17/x',
      'a b',
    ],
    ...['constructor', '__proto__', '/fuzz/__proto__/x', '\u00fc', '\u{1f4a9}', '#16', '/#16'],
  ]
    .map(text)
    .concat(
      [2047, 2048, 2049, 3073].map((length) => repeated('p', length)),
      [
        repeated('a/', 500),
        repeated('/a', 1500),
        Buffer.of(0xff, 0xfe),
        Buffer.of(0x61, 0xc3),
        Buffer.of(0x61, 1, 0x62),
      ],
    ),
  value: [
    text(''),
    text('x'),
    text('1234'),
    Buffer.of(0),
    Buffer.of(0xff, 0, 0xc3, 0x28),
    Buffer.of(0xed, 0xa0, 0x80),
  ].concat([100, 1007, 1024, 2048, 2049, 3000].map((length) => repeated('v', length))),
  token: ['t', 'u', '', 'long token '.repeat(20), '\u{1f4a9}', '/'].map(text).concat([Buffer.of(0xff, 0xff)]),
  permission: ['n16', 'n18', 'r17', 'b18', 'w4', 'n0', 'b32751', 'n32752', 'x16', 'n', '', 'n-1', 'n99999', 'r1 '].map(
    text,
  ),
  number: ['0', '4', '16', '17', '18', '463', '-1', '', '00017', '1e3', '32752', '4294967296', '9999999999', 'x'].map(
    text,
  ),
  verdict: ['T', 'F', 'X', '', 'TT'].map(text),
  command: ['make', 'quota', 'domids', 'help', 'memreport', 'log', 'live-update', ''].map(text),
  quota: ['quota', 'quota-soft'].map(text),
  verb: ['set', 'set', '16', ''].map(text),
  limit: ['nodes', 'memory', 'node-size', 'path-max', 'total-memory', 'outstanding', 'files', ''].map(text),
  nothing: [text('')],
} as const;
type Field = keyof typeof fields;

/** type → the fields of its payload. The last one may come several times. */
const requests: readonly (readonly [number, ...Field[]])[] = [
  [0, 'command', 'path', 'permission', 'value'],
  [0, 'quota', 'verb', 'limit', 'number'],
  [1, 'path'],
  [2, 'path'],
  [3, 'path'],
  [4, 'path', 'token'],
  [5, 'path', 'token'],
  [6, 'nothing'],
  [7, 'verdict'],
  [8, 'number', 'number', 'number'],
  [9, 'number'],
  [10, 'number'],
  [11, 'path', 'value'],
  [12, 'path'],
  [13, 'path'],
  [14, 'path', 'permission'],
  [17, 'number'],
  [18, 'number'],
  [19, 'number', 'number'],
  [21, 'nothing'],
  [22, 'path', 'number'],
];
const WRITE = 11;
/** Nodes are made and watched more often than anything else: otherwise most requests find nothing. */
const favourites: readonly number[] = [2, 4, WRITE, 12, 14];
const offered = requests.flatMap((request) =>
  favourites.includes(request[0]) ? Array(4).fill(request) : [request],
) as typeof requests;
const usualPaths = fields.path.slice(0, 6);

/** How often what happens to a request, of all. */
const ODDS = {
  junk: 0.003,
  damagedPayload: 0.12,
  wrongHeader: 0.05,
  wrongLength: 0.1,
  inTransaction: 0.2,
  usualPath: 0.7,
  rivalBegins: 0.8,
  rivalEnds: 0.12,
  rivalRemoves: 0.1,
};

/** `transactions`: ids that are known to be open. */
export function input(random: Random, transactions: readonly number[]): Uint8Array {
  if (random.chance(ODDS.junk)) return random.bytes(1 + random.below(40));
  const [type, ...kinds] = random.pick(offered);
  let payload = payloadOf(random, type, kinds);
  if (random.chance(ODDS.damagedPayload)) payload = damaged(random, payload);
  payload = payload.subarray(0, PAYLOAD_BYTES_MAX);
  const transaction = random.chance(ODDS.inTransaction) ? (transactions[random.below(transactions.length)] ?? 0) : 0;
  const header = [type, random.word(), transaction, payload.length];
  if (random.chance(ODDS.wrongHeader)) misdirect(random, header);
  return packet(header, payload);
}

function packet(header: readonly number[], payload: Buffer): Uint8Array {
  const bytes = Buffer.alloc(HEADER_BYTES + payload.length);
  for (const [index, word] of header.entries()) bytes.writeUInt32LE(word, 4 * index);
  payload.copy(bytes, HEADER_BYTES);
  return bytes;
}

/** All clients may change what is below, and no other input names it. */
export const CONTESTED = '/rivals';
const contested = ['a', 'a/b', 'c'].map((name) => text(`${CONTESTED}/${name}`));
const [READ, TRANSACTION_START, TRANSACTION_END, RM, RESET_WATCHES] = [2, 6, 7, 13, 21];

/** Without transactions of its own. */
export const rivalStart = packet([RESET_WATCHES, 0, 0, NUL.length], NUL);

/**
 * What a client sends that wants the same nodes as another one, again and again: its transactions conflict, often enough in a row to have one reserved, and what
 * the other one changes then is held. `transaction`: the one that it has begun.
 */
export function rivalInput(random: Random, transaction: number | null): Uint8Array {
  const ask = (type: number, payload: Buffer, within = 0): Uint8Array =>
    packet([type, random.word(), within, payload.length], payload);
  const path = Buffer.concat([random.pick(contested), NUL]);
  const value = text(String(random.below(100)));
  const change = (within = 0): Uint8Array =>
    random.chance(ODDS.rivalRemoves) ? ask(RM, path, within) : ask(WRITE, Buffer.concat([path, value]), within);
  if (transaction === null) return random.chance(ODDS.rivalBegins) ? ask(TRANSACTION_START, NUL) : change();
  if (random.chance(ODDS.rivalEnds)) return ask(TRANSACTION_END, text(random.chance(0.9) ? 'T\0' : 'F\0'), transaction);
  return random.pick([() => change(), () => change(transaction), () => ask(READ, path, transaction)])();
}

function payloadOf(random: Random, type: number, kinds: readonly Field[]): Buffer {
  const parts = kinds.map((kind) => fieldOf(random, kind));
  const last = kinds.at(-1);
  if (last === 'permission') while (random.chance(0.5)) parts.push(fieldOf(random, last));
  const ended = parts.flatMap((part) => [part, NUL]);
  return Buffer.concat(type === WRITE ? ended.slice(0, -1) : ended);
}

/** Mostly paths at which something is, or has been. */
function fieldOf(random: Random, kind: Field): Buffer {
  if (kind === 'path' && random.chance(ODDS.usualPath)) return random.pick<Buffer>(usualPaths);
  return random.pick<Buffer>(fields[kind]);
}

const damages: readonly ((random: Random, payload: Buffer) => Buffer)[] = [
  (random, payload) => payload.subarray(0, random.below(payload.length + 1)),
  (_, payload) => payload.subarray(0, -1),
  (_, payload) => Buffer.concat([payload, NUL]),
  (_, payload) => Buffer.concat([NUL, payload]),
  (_, payload) => Buffer.concat([payload, payload]),
  () => Buffer.alloc(0),
  (random, payload) => Buffer.concat([payload, random.bytes(random.below(20))]),
  (random) => Buffer.alloc(PAYLOAD_BYTES_MAX, random.below(256)),
  (random, payload) => {
    const copy = Buffer.from(payload);
    for (let count = 1 + random.below(3); count > 0; count -= 1) copy[random.below(copy.length)] = random.below(256);
    return copy;
  },
];

const damaged = (random: Random, payload: Buffer): Buffer => random.pick(damages)(random, payload);

/** Words that no careful client would send. */
function misdirect(random: Random, header: number[]): void {
  const [TYPE, , TRANSACTION, LENGTH] = [0, 1, 2, 3];
  const length = header[LENGTH] as number;
  const huge = [0xffffffff, 0x80000000, 0x7fffffff, 0x10000, random.word()];
  if (random.chance(ODDS.wrongLength)) {
    const near = Math.max(0, length + random.below(17) - 8);
    header[LENGTH] = random.pick([near, near, 0, PAYLOAD_BYTES_MAX, PAYLOAD_BYTES_MAX + 1, ...huge]);
  } else if (random.chance(0.5)) header[TYPE] = random.pick([15, 16, 20, 23, 99, ...huge]);
  else header[TRANSACTION] = random.pick([1, 2, 3, ...huge]);
}
