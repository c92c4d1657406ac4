/** A session that shows a guest's screen: one PNG, or VNC in both directions until either side has enough. */
import { type ScreenRequest, screenRequest } from '../../contracts/toolstack.ts';
import { RpcError } from '../../kit/rpc.ts';
import type { ByteStream } from '../../xen/ports.ts';
import type { DeviceModel } from './device-model.ts';
import { OutputQueue, StreamEnded, type StreamReader, writeAll } from './stream-io.ts';

/** Of all guests, at once: each may hold so many bytes of this VM's memory for an operator who does not read. */
export const SCREENS_MAX = 4;
const QUEUE_BYTES_MAX = 4 * 1024 * 1024;

export interface ScreenPorts {
  screenOf(guest: string | number): DeviceModel;
  onInternalError(error: unknown): void;
  /** The sessions under way. */
  readonly screens: Set<ByteStream>;
}

/** null: the session's first line asks for something else. */
export function parseScreenRequest(line: Uint8Array): ScreenRequest | null {
  try {
    const parsed = screenRequest.safeParse(JSON.parse(new TextDecoder().decode(line)));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

/** Serves the session to its end and closes it. */
export async function serveScreen(
  ports: ScreenPorts,
  { id, method, params }: ScreenRequest,
  reader: StreamReader,
  stream: ByteStream,
): Promise<void> {
  const answer = (rest: object): Uint8Array =>
    new TextEncoder().encode(`${JSON.stringify({ jsonrpc: '2.0', id, ...rest })}\n`);
  try {
    if (ports.screens.size >= SCREENS_MAX)
      throw new RpcError('busy', `${SCREENS_MAX} screens are shown already; close another one`);
    ports.screens.add(stream);
    const screen = ports.screenOf(params.guest);
    if (method === 'screen.open') await showScreen(screen, answer({ result: {} }), reader, stream);
    else {
      const shot = await screen.screenshot();
      await writeAll(stream, answer({ result: { bytes: shot.length } }));
      await writeAll(stream, shot);
    }
  } catch (error) {
    if (error instanceof StreamEnded) return;
    if (!(error instanceof RpcError)) ports.onInternalError(error);
    const { code, message } = error instanceof RpcError ? error : new RpcError('internal', 'internal error');
    await writeAll(stream, answer({ error: { code: -32000, message, data: { code } } })).catch(() => {});
  } finally {
    ports.screens.delete(stream);
    stream.close();
  }
}

/** Rejects only before the answer is on its way. */
async function showScreen(
  screen: DeviceModel,
  answer: Uint8Array,
  reader: StreamReader,
  stream: ByteStream,
): Promise<void> {
  let end = (): void => {};
  const over = new Promise<void>((resolve) => {
    end = resolve;
  });
  const output = new OutputQueue(stream, QUEUE_BYTES_MAX, () => end());
  const session = await screen.openScreen({ data: (bytes) => output.push(bytes), closed: () => output.end() });
  output.start(answer);
  const input = async (): Promise<void> => {
    for (;;) await session.send(await reader.some());
  };
  // The operator's end of the stream, or its failure.
  await Promise.race([over, input().catch(() => {})]);
  session.close();
}
