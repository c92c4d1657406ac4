/**
 * What an operator's SSH session runs, as an unprivileged process of its own: it carries bytes between its standard streams and
 * Toolstack's socket, and understands none of them.
 */
import * as rt from 'ennead:rt';
import { carry } from '../../kit/carry.ts';
import { TOOLSTACK_SOCKET } from './ssh-server.ts';

const STDIN = 0;
const STDOUT = 1;

const socket = rt.unixConnect(TOOLSTACK_SOCKET);

carry(STDIN, socket, () => {
  try {
    rt.shutdownWrite(socket);
  } catch {
    // Toolstack has closed its end already.
  }
});
carry(socket, STDOUT, () => rt.exit(0));
