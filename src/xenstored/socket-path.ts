/** The path of the socket: free, or taken by a server that is gone. */
import { lstat, rm } from 'node:fs/promises';
import { connect } from 'node:net';

/** As many bytes as Linux's sockaddr_un takes, with its NUL. */
const PATH_BYTES_MAX = 107;

/** Removes the socket of a server that is gone. @throws when something else is there, or a server that answers. */
export async function claimSocketPath(path: string): Promise<void> {
  if (Buffer.byteLength(path) > PATH_BYTES_MAX)
    throw new Error(`${path} is too long for a socket: at most ${PATH_BYTES_MAX} bytes`);
  const found = await lstat(path).catch(() => undefined);
  if (!found) return;
  if (!found.isSocket()) throw new Error(`${path} is there already and no socket; name another path`);
  if (await answers(path)) throw new Error(`a server answers on ${path} already; stop it, or name another path`);
  await rm(path);
}

const answers = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(path);
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
