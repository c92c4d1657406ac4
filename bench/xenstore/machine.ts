/** One run: boots the machine with one server and some clients, and listens until all is measured. */
import type { Parts } from '../../test/virtual-store/images.ts';
import { runMachine } from '../../test/virtual-store/machine.ts';
import type { Orders } from './conductor/conduct.ts';
import { ordersParameters } from './conductor/orders.ts';
import { DONE, decodeResult, isEnnead, operations, type Result, type Server } from './plan.ts';
import { programs } from './steps.ts';

const MEMORY_MIB = 1024;
/** A client's own, and what Xen keeps for it. */
const CLIENT_MEMORY_MIB = 26;
/** To boot a host and a client. */
const BOOT_TIMEOUT_MS = 120_000;
const CLIENT_TIMEOUT_MS = 10_000;
/** A machine whose instructions are counted has one thread to emulate it, on a computer that may be busy. */
const COUNTED_TIMES = 8;

export interface Run extends Orders {
  readonly server: Server;
  readonly countInstructions: boolean;
}

/** @throws when it is aborted, when something fails, and when it takes too long */
export async function measureServer(parts: Parts, run: Run, signal: AbortSignal): Promise<Result[]> {
  const { server, countInstructions, ...orders } = run;
  const { clients, durationMs } = orders;
  const results: Result[] = [];
  await runMachine(parts, {
    contents: {
      programs,
      program: 'domain-zero',
      vmPrograms: ['client', 'conductor'],
      server: isEnnead(server) ? 'ennead' : server,
      ...(server === 'ennead-without-reset' && {
        serverPrograms: { 'xenstore-logic': ['logic-without-reset'] as const },
      }),
    },
    memoryMib: MEMORY_MIB + clients * CLIENT_MEMORY_MIB,
    parameters: { server, ...ordersParameters(orders) },
    countInstructions,
    timeoutMs:
      (BOOT_TIMEOUT_MS + clients * CLIENT_TIMEOUT_MS + 2 * durationMs * operations.length) *
      (countInstructions ? COUNTED_TIMES : 1),
    heardEnough(line) {
      const result = decodeResult(line);
      if (result) results.push(result);
      return line.includes(DONE);
    },
    signal,
  });
  return results;
}
