/** A volume's way between a local file and Toolstack, on a session of its own. */
import { type FileHandle, unlink } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import type * as z from 'zod/mini';
import { type TransferMethod, transferAnswer, transferEnd, type transferMethods } from '../contracts/toolstack.ts';
import {
  BLOCK_BYTES,
  decodeFrameHeader,
  END_FRAME,
  encodeFrameHeader,
  FRAME_BYTES_MAX,
  FRAME_HEADER_BYTES,
} from '../contracts/volume-frames.ts';
import { RpcError } from '../kit/rpc.ts';
import { CliError } from './exit-codes.ts';
import { openLocal } from './local-file.ts';
import type { OpenSession } from './session.ts';
import { SessionReader } from './session-reader.ts';

export type Progress = (doneBytes: number, totalBytes: number) => void;

const ZEROS = Buffer.alloc(BLOCK_BYTES);

/** Returns the new volume's size. */
export async function importVolume(
  openSession: OpenSession,
  name: string,
  path: string,
  progress: Progress,
): Promise<number> {
  const file = await openLocal(path, 'r');
  try {
    const { size } = await file.stat();
    if (size === 0) throw new CliError('no-file', `${path} is empty or not a regular file`);
    return await transfer(openSession, 'volume.import', { name, bytes: size }, async (stream, reader) => {
      const ended = reader.line();
      const sent = sendFile(stream, file, size, progress).catch((error: unknown) => {
        // A stream that Toolstack has closed: its last line says why. A file that cannot be read is our own failure.
        if (error instanceof CliError) throw error;
      });
      await Promise.race([sent, ended]);
      return ended;
    });
  } finally {
    await file.close();
  }
}

/** Returns the volume's size. A file that was not complete is removed. */
export async function exportVolume(
  openSession: OpenSession,
  name: string,
  path: string,
  progress: Progress,
): Promise<number> {
  const file = await openLocal(path, 'wx');
  try {
    const bytes = await transfer(openSession, 'volume.export', { name }, async (_stream, reader, bytes) => {
      await file.truncate(bytes);
      await receiveFile(reader, file, bytes, progress);
      return reader.line();
    });
    await file.sync();
    return bytes;
  } catch (error) {
    await unlink(path);
    throw error;
  } finally {
    await file.close();
  }
}

/** Request line, answer line, the volume, last line. */
async function transfer<M extends TransferMethod>(
  openSession: OpenSession,
  method: M,
  params: z.input<(typeof transferMethods)[M]>,
  body: (stream: Duplex, reader: SessionReader, bytes: number) => Promise<string>,
): Promise<number> {
  const session = await openSession();
  const { stream } = session;
  stream.on('error', () => {});
  try {
    const reader = new SessionReader(session);
    stream.write(`${JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })}\n`);
    const answer = transferAnswer.parse(JSON.parse(await reader.line()));
    if ('error' in answer) throw new RpcError(answer.error.data.code, answer.error.message);
    const end = transferEnd.parse(JSON.parse(await body(stream, reader, answer.result.bytes)));
    if (end.method === 'volume.failed') throw new RpcError(end.params.code, end.params.message);
    return end.params.bytes;
  } finally {
    session.close();
  }
}

async function sendFile(stream: Duplex, file: FileHandle, size: number, progress: Progress): Promise<void> {
  for (let offset = 0; offset < size; offset += FRAME_BYTES_MAX) {
    const bytes = await readPadded(file, offset, Math.min(FRAME_BYTES_MAX, size - offset));
    for (const { start, end } of dataRuns(bytes)) {
      const length = Math.min(end, size - offset) - start;
      await write(
        stream,
        Buffer.concat([encodeFrameHeader({ offset: offset + start, length }), bytes.subarray(start, start + length)]),
      );
    }
    progress(Math.min(offset + FRAME_BYTES_MAX, size), size);
  }
  await write(stream, END_FRAME);
}

/** Whole blocks, the last one filled up with zeros. */
async function readPadded(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(Math.ceil(length / BLOCK_BYTES) * BLOCK_BYTES);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await file.read(bytes, done, length - done, offset + done);
    if (bytesRead === 0) throw new CliError('no-file', 'the file became shorter while it was read');
    done += bytesRead;
  }
  return bytes;
}

/** Zeros need not travel: a new volume is zero. */
function* dataRuns(bytes: Buffer): Generator<{ start: number; end: number }> {
  let start = -1;
  for (let at = 0; at < bytes.length; at += BLOCK_BYTES) {
    const zero = bytes.subarray(at, at + BLOCK_BYTES).equals(ZEROS);
    if (!zero && start < 0) start = at;
    if (zero && start >= 0) {
      yield { start, end: at };
      start = -1;
    }
  }
  if (start >= 0) yield { start, end: bytes.length };
}

function write(stream: Duplex, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => stream.write(bytes, (error) => (error ? reject(error) : resolve())));
}

async function receiveFile(reader: SessionReader, file: FileHandle, bytes: number, progress: Progress): Promise<void> {
  for (;;) {
    const header = decodeFrameHeader(await reader.exactly(FRAME_HEADER_BYTES), bytes);
    if (typeof header === 'string') throw new CliError('transfer-incomplete', `Toolstack sends ${header}`);
    if (header.length === 0) break;
    await file.write(await reader.exactly(header.length), 0, header.length, header.offset);
    progress(header.offset + header.length, bytes);
  }
}
