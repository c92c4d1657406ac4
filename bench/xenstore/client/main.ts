/** A client VM: does what the phase says, as often as it can, and reports. All of it happens within the program's start, which may wait. */
import * as rt from 'ennead:rt';
import { startService } from '../../../src/kit/service.ts';
import { encodeText } from '../../../src/wire/xenstore-message.ts';
import { Connection, packetOf } from '../../../test/virtual-store/connection.ts';
import { encodeLatencies } from '../histogram.ts';
import { clientNodes, type Operation, PHASE_NODE, type Phase, PREPARATION, type Report } from '../plan.ts';
import { measured, prepare } from './operations.ts';

const PHASE_TOKEN = 'phase';

startService('client', () => {
  const connection = new Connection();
  connection.exchange(packetOf('watch', [PHASE_NODE, PHASE_TOKEN]));
  let last: string | null = null;
  for (;;) {
    connection.awaitEvent(PHASE_TOKEN);
    const text = connection.readIfThere(PHASE_NODE);
    if (text === null || text === last) continue;
    last = text;
    const report = JSON.stringify(run(connection, JSON.parse(text)));
    connection.exchange(packetOf('write', [clientNodes.report], encodeText(report)));
  }
});

function run(connection: Connection, { operation, durationMs }: Phase): Report {
  if (operation !== PREPARATION) return measure(connection, operation, durationMs);
  prepare(connection);
  return { operation, durationMs: 0, latencies: [] };
}

function measure(connection: Connection, operation: Operation, durationMs: number): Report {
  const once = measured[operation];
  const latenciesMs: number[] = [];
  const startMs = rt.monotonicMs();
  let nowMs = startMs;
  while (nowMs - startMs < durationMs) {
    const beganMs = nowMs;
    once(connection);
    nowMs = rt.monotonicMs();
    latenciesMs.push(nowMs - beganMs);
  }
  return { operation, durationMs: nowMs - startMs, latencies: encodeLatencies(latenciesMs) };
}
