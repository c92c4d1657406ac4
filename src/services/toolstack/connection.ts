/** One operator's session. Its first line says what it is: a transfer or a screen, which takes the session over, or a JSON-RPC conversation. */
import { lineTransport } from '../../kit/line-transport.ts';
import { rpcPeer } from '../../kit/rpc.ts';
import type { ByteStream } from '../../xen/ports.ts';
import { methodsFor } from './methods.ts';
import { parseScreenRequest, serveScreen } from './screen.ts';
import { replayed, StreamEnded, StreamReader } from './stream-io.ts';
import type { Toolstack } from './toolstack.ts';
import { parseTransferRequest, serveTransfer } from './transfer.ts';

const FIRST_LINE_BYTES_MAX = 256 * 1024;
const NEWLINE = 10;

/** Never throws: a session that fails is closed. */
export async function serveConnection(toolstack: Toolstack, stream: ByteStream): Promise<void> {
  try {
    await beginSession(toolstack, stream);
  } catch (error) {
    if (!(error instanceof StreamEnded)) toolstack.ports.log(`session: ${String(error)}`);
    stream.close();
  }
}

async function beginSession(toolstack: Toolstack, stream: ByteStream): Promise<void> {
  const reader = new StreamReader(stream);
  const line = await reader.line(FIRST_LINE_BYTES_MAX);
  const transfer = parseTransferRequest(line);
  if (transfer) return serveTransfer(transferPorts(toolstack), transfer, reader, stream);
  const screen = parseScreenRequest(line);
  if (screen) return serveScreen(screenPorts(toolstack), screen, reader, stream);
  const rest = reader.takeRest();
  const replay = new Uint8Array(line.length + 1 + rest.length);
  replay.set(line);
  replay[line.length] = NEWLINE;
  replay.set(rest, line.length + 1);
  converse(toolstack, replayed(stream, replay));
}

function converse(toolstack: Toolstack, stream: ByteStream): void {
  const { methods, close } = methodsFor(toolstack, (method, params) => peer.notify(method, params));
  const peer = rpcPeer(lineTransport(stream), methods, {
    onInternalError: (method, error) => toolstack.ports.log(`${method}: ${String(error)}`),
  });
  peer.onClosed(close);
}

const transferPorts = ({ volumes, ownDisks, guests, ports }: Toolstack) => ({
  volumes,
  ownDisks,
  log: ports.log,
  volumeUser: (volume: string) => guests.volumeUser(volume, 'r'),
});

const screenPorts = ({ guests, ports, screens }: Toolstack) => ({
  screens,
  screenOf: (guest: string | number) => guests.screenOf(guest),
  onInternalError: (error: unknown) => ports.log(`screen: ${String(error)}`),
});
