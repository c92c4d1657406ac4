/** What is measured: each function is one operation, from its first request until its last answer. */
import { decodeText, encodeText } from '../../../src/wire/xenstore-message.ts';
import { type Connection, packetOf, Refusal } from '../../../test/virtual-store/connection.ts';
import { clientNodes, LIST_NODE, type Operation } from '../plan.ts';

/** As long as what Linux's front and back ends tell each other. */
const VALUE = encodeText('connected');
const WATCH_TOKEN = 'own';

const readValue = packetOf('read', [clientNodes.value]);
const writeValue = packetOf('write', [clientNodes.value], VALUE);
const writeWatched = packetOf('write', [clientNodes.watched], VALUE);
const list = packetOf('directory', [LIST_NODE]);
const begin = packetOf('transactionStart', ['']);

export function prepare(connection: Connection): void {
  connection.exchange(writeValue);
  connection.exchange(writeWatched);
  connection.exchange(packetOf('watch', [clientNodes.watched, WATCH_TOKEN]));
  connection.awaitEvent(WATCH_TOKEN);
}

export const measured: Readonly<Record<Operation, (connection: Connection) => void>> = {
  read: (connection) => void connection.exchange(readValue),
  write: (connection) => void connection.exchange(writeValue),
  directory: (connection) => void connection.exchange(list),
  transaction,
  watch(connection) {
    connection.exchange(writeWatched);
    connection.awaitEvent(WATCH_TOKEN);
  },
};

/** Read, modify, write; again after a conflict, as every client does. */
function transaction(connection: Connection): void {
  for (;;) {
    const id = Number.parseInt(decodeText(connection.exchange(begin)), 10);
    const value = connection.exchange(packetOf('read', [clientNodes.value], undefined, id));
    connection.exchange(packetOf('write', [clientNodes.value], value, id));
    try {
      connection.exchange(packetOf('transactionEnd', ['T'], undefined, id));
      return;
    } catch (error) {
      if (!(error instanceof Refusal && error.code === 'EAGAIN')) throw error;
    }
  }
}
