/** A volume's way in and out: between an operator's session and the volume, attached to this VM. */
import * as z from 'zod/mini';
import { transferRequest } from '../../contracts/toolstack.ts';
import {
  BLOCK_BYTES,
  decodeFrameHeader,
  END_FRAME,
  encodeFrameHeader,
  FRAME_BYTES_MAX,
  FRAME_HEADER_BYTES,
  isZero,
} from '../../contracts/volume-frames.ts';
import { RpcError } from '../../kit/rpc.ts';
import type { ByteStream, Log } from '../../xen/ports.ts';
import type { BlockDevice, OwnDisks } from './own-disks.ts';
import { StreamEnded, type StreamReader, writeAll } from './stream-io.ts';
import type { Volumes } from './volumes.ts';

export interface TransferPorts {
  readonly volumes: Volumes;
  readonly ownDisks: OwnDisks;
  readonly log: Log;
  /** Which guest uses the volume so that it cannot be read consistently. */
  volumeUser(volume: string): string | null;
}

const SECTOR_BYTES = 512;
/** What may wait in Linux's memory between two flushes: a flush holds up every other operator. */
const FLUSH_EVERY_BYTES = 4 * 1024 * 1024;
/** How much of a volume is looked at before the other operators have their turn. */
const READ_BYTES = FRAME_BYTES_MAX;

export type TransferRequest = z.infer<typeof transferRequest>;

/** null: the session's first line asks for something else. */
export function parseTransferRequest(line: Uint8Array): TransferRequest | null {
  try {
    const parsed = z.safeParse(transferRequest, JSON.parse(new TextDecoder().decode(line)));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

/** Serves the session to its end and closes it. */
export async function serveTransfer(
  ports: TransferPorts,
  request: TransferRequest,
  reader: StreamReader,
  stream: ByteStream,
): Promise<void> {
  const session = new Session(request.id, stream);
  try {
    const bytes =
      request.method === 'volume.import'
        ? await importVolume(ports, request.params, reader, session)
        : await exportVolume(ports, request.params.name, session);
    await session.done(bytes);
  } catch (error) {
    const failure = asRpcError(error);
    if (failure.code === 'internal') ports.log(`${request.method}: ${String(error)}`);
    await session.failed(failure).catch(() => {});
  } finally {
    stream.close();
  }
}

/** What the operator's side hears: an answer to its request, and one last line. */
class Session {
  private answered = false;
  private inFrames = false;

  constructor(
    private readonly id: number,
    private readonly stream: ByteStream,
  ) {}

  /** `frames`: what follows are frames of ours, so that the last line waits for their end. */
  async accept(bytes: number, frames: boolean): Promise<void> {
    this.answered = true;
    this.inFrames = frames;
    await this.line({ jsonrpc: '2.0', id: this.id, result: { bytes } });
  }

  async frame(offset: number, bytes: Uint8Array): Promise<void> {
    await writeAll(this.stream, encodeFrameHeader({ offset, length: bytes.length }));
    await writeAll(this.stream, bytes);
  }

  async endFrames(): Promise<void> {
    this.inFrames = false;
    await writeAll(this.stream, END_FRAME);
  }

  async done(bytes: number): Promise<void> {
    await this.line({ jsonrpc: '2.0', method: 'volume.done', params: { bytes } });
  }

  async failed({ code, message }: RpcError): Promise<void> {
    if (this.inFrames) await this.endFrames();
    if (this.answered) await this.line({ jsonrpc: '2.0', method: 'volume.failed', params: { code, message } });
    else await this.line({ jsonrpc: '2.0', id: this.id, error: { code: -32000, message, data: { code } } });
  }

  private line(message: object): Promise<void> {
    return writeAll(this.stream, new TextEncoder().encode(`${JSON.stringify(message)}\n`));
  }
}

async function importVolume(
  { volumes, ownDisks, log }: TransferPorts,
  { name, bytes }: { name: string; bytes: number },
  reader: StreamReader,
  session: Session,
): Promise<number> {
  const volumeBytes = Math.ceil(bytes / SECTOR_BYTES) * SECTOR_BYTES;
  await volumes.create(name, volumeBytes);
  try {
    await ownDisks.with(await volumes.storageDomid(), name, 'w', async (disk) => {
      if (disk.bytes < volumeBytes) throw new RpcError('volume-failed', `the volume has only ${disk.bytes} bytes`);
      await session.accept(volumeBytes, false);
      await receiveFrames(reader, disk, volumeBytes);
    });
    return volumeBytes;
  } catch (error) {
    await volumes
      .delete(name)
      .catch((failure: unknown) => log(`half-made volume ${name} could not be deleted: ${String(failure)}`));
    throw error;
  }
}

async function receiveFrames(reader: StreamReader, disk: BlockDevice, volumeBytes: number): Promise<void> {
  let unflushed = 0;
  for (;;) {
    const header = decodeFrameHeader(await reader.exactly(FRAME_HEADER_BYTES), volumeBytes);
    if (typeof header === 'string') throw new RpcError('transfer-incomplete', `the volume's data is broken: ${header}`);
    if (header.length === 0) break;
    disk.writeAt(header.offset, await reader.exactly(header.length));
    unflushed += header.length;
    if (unflushed < FLUSH_EVERY_BYTES) continue;
    disk.flush();
    unflushed = 0;
  }
  disk.flush();
}

async function exportVolume(
  { volumes, ownDisks, volumeUser }: TransferPorts,
  name: string,
  session: Session,
): Promise<number> {
  const volume = await volumes.find(name);
  const user = volumeUser(name);
  if (user !== null)
    throw new RpcError('volume-busy', `guest ${user} may write to volume ${name}; shut it down before the export`);
  await ownDisks.with(await volumes.storageDomid(), name, 'r', async (disk) => {
    await session.accept(volume.bytes, true);
    await sendFrames(session, disk, volume.bytes);
  });
  await session.endFrames();
  return volume.bytes;
}

async function sendFrames(session: Session, disk: BlockDevice, volumeBytes: number): Promise<void> {
  for (let offset = 0; offset < volumeBytes; offset += READ_BYTES) {
    const bytes = disk.readAt(offset, Math.min(READ_BYTES, volumeBytes - offset));
    for (const { start, end } of dataRuns(bytes)) await session.frame(offset + start, bytes.subarray(start, end));
    // Zeros send nothing and so wait for nobody.
    await new Promise<void>((resolve) => setTimeout(resolve, 0));
  }
}

/** The runs of blocks that hold anything but zeros. */
function* dataRuns(bytes: Uint8Array): Generator<{ start: number; end: number }> {
  let start = -1;
  for (let at = 0; at < bytes.length; at += BLOCK_BYTES) {
    const zero = isZero(bytes.subarray(at, at + BLOCK_BYTES));
    if (!zero && start < 0) start = at;
    if (zero && start >= 0) {
      yield { start, end: at };
      start = -1;
    }
  }
  if (start >= 0) yield { start, end: bytes.length };
}

function asRpcError(error: unknown): RpcError {
  if (error instanceof RpcError) return error;
  if (error instanceof StreamEnded) return new RpcError('transfer-incomplete', error.message);
  const code = (error as { code?: unknown }).code;
  if (code === 'ENOSPC' || code === 'EIO')
    return new RpcError('volume-full', 'the disk refused a write: it is full or broken');
  return new RpcError('internal', 'internal error');
}
