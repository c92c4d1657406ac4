/**
 * `npm run bench:xenstore`: what XenStore in two VMs, rolled back after every response, costs beside Debian's servers in domain 0. One Xen, one
 * virtual host, one client program; each server with each number of clients has a fresh boot. Ratios travel between machines; seconds do not.
 */
import { parseArgs } from 'node:util';
import { interruptible } from '../src/image/interruption.ts';
import { daemons } from '../test/virtual-store/daemons.ts';
import { buildParts } from '../test/virtual-store/images.ts';
import { measureServer } from './xenstore/machine.ts';
import { type Server, servers } from './xenstore/plan.ts';
import { programs } from './xenstore/steps.ts';
import { type Measurement, table } from './xenstore/table.ts';

const HELP = `usage: npm run bench:xenstore -- [--quick] [--clients N]… [--server NAME]…

  --quick         a second for each operation instead of five
  --clients N     how many clients at once, instead of 1 and 8; 64 takes minutes to boot
  --server NAME   only these: ${servers.join(' ')}
`;
const DURATION_MS = 5_000;
const QUICK_DURATION_MS = 1_000;
/** So many ports fit on XenStore-Logic's command line. */
const CLIENTS_MAX = 64;

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    clients: { type: 'string', multiple: true, default: ['1', '8'] },
    server: { type: 'string', multiple: true, default: [...servers] },
    help: { type: 'boolean', default: false },
  },
});

function clientCount(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > CLIENTS_MAX) throw new RangeError(`--clients ${text}`);
  return count;
}

function serverNamed(name: string): Server {
  const found = servers.find((server) => server === name);
  if (!found) throw new RangeError(`--server ${name}`);
  return found;
}

async function measureAll(signal: AbortSignal): Promise<Measurement[]> {
  const counts = values.clients.map(clientCount);
  const wanted = values.server.map(serverNamed);
  const durationMs = values.quick ? QUICK_DURATION_MS : DURATION_MS;
  const measurements: Measurement[] = [];
  const parts = await buildParts(programs, daemons);
  for (const clients of counts)
    for (const server of wanted) {
      const startedMs = performance.now();
      const results = await measureServer(parts, { server, clients, durationMs }, signal);
      measurements.push({ server, clients, results });
      console.log(`${server}, clients: ${clients}, took ${((performance.now() - startedMs) / 1000).toFixed(0)} s`);
    }
  return measurements;
}

if (values.help) console.log(HELP);
else console.log(`\n${table(await interruptible(measureAll))}`);
