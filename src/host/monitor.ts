/** QEMU's machine protocol (QMP): enough to ask for an end. One JSON object a line over a Unix socket. */
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

const ANSWER_TIMEOUT_MS = 5_000;

/** Sends one command to a running QEMU; rejects when nobody listens or QEMU refuses. */
export async function monitorCommand(socketPath: string, execute: string): Promise<unknown> {
  const socket = connect(socketPath);
  socket.setTimeout(ANSWER_TIMEOUT_MS, () => socket.destroy(new Error(`QEMU's monitor did not answer ${execute}`)));
  try {
    return await converse(socket, execute);
  } finally {
    socket.destroy();
  }
}

async function converse(socket: Socket, execute: string): Promise<unknown> {
  const failed = new Promise<never>((_, reject) => socket.once('error', reject));
  return Promise.race([failed, exchange(socket, execute)]);
}

async function exchange(socket: Socket, execute: string): Promise<unknown> {
  const commands = ['qmp_capabilities', execute];
  for await (const line of createInterface({ input: socket })) {
    const message = JSON.parse(line) as { QMP?: unknown; return?: unknown; error?: { desc: string } };
    if (message.error) throw new Error(`QEMU refused ${execute}: ${message.error.desc}`);
    if (message.return !== undefined && commands.length === 0) return message.return;
    if (message.QMP !== undefined || message.return !== undefined) {
      socket.write(`${JSON.stringify({ execute: commands.shift() })}\n`);
    }
  }
  // `quit` closes the socket without an answer on some versions.
  return {};
}
