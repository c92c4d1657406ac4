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
import { type Measurement, medians, table } from './xenstore/table.ts';

const HELP = `usage: npm run bench:xenstore -- [--quick] [--rounds N] [--clients N]… [--server NAME]…

  --quick         a second for each operation instead of five
  --rounds N      all of it so often, and the medians, instead of once
  --clients N     how many clients at once, instead of 1 and 8; 64 take a minute to boot
  --instructions  the machine's clock counts its instructions, so that a busy computer changes nothing; see bench/xenstore/README.md
  --server NAME   only these: ${servers.join(' ')}
`;
const DURATION_MS = 5_000;
const QUICK_DURATION_MS = 1_000;
/** So many ports fit on XenStore-Logic's command line. */
const CLIENTS_MAX = 64;
const ROUNDS_MAX = 100;

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '1' },
    instructions: { type: 'boolean', default: false },
    clients: { type: 'string', multiple: true, default: ['1', '8'] },
    server: { type: 'string', multiple: true, default: [...servers] },
    help: { type: 'boolean', default: false },
  },
});

function numberOf(option: string, text: string, max: number): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > max) throw new RangeError(`${option} ${text}`);
  return count;
}

function serverNamed(name: string): Server {
  const found = servers.find((server) => server === name);
  if (!found) throw new RangeError(`--server ${name}`);
  return found;
}

async function measureAll(signal: AbortSignal): Promise<Measurement[]> {
  const counts = values.clients.map((text) => numberOf('--clients', text, CLIENTS_MAX));
  const wanted = values.server.map(serverNamed);
  const rounds = numberOf('--rounds', values.rounds, ROUNDS_MAX);
  const durationMs = values.quick ? QUICK_DURATION_MS : DURATION_MS;
  const measurements: Measurement[] = [];
  const parts = await buildParts(programs, daemons);
  // In turn, so that what slows the machine down for a while slows down all of them.
  for (let round = 1; round <= rounds; round += 1)
    for (const clients of counts)
      for (const server of wanted) {
        const startedMs = performance.now();
        const results = await measureServer(
          parts,
          { server, clients, durationMs, countInstructions: values.instructions },
          signal,
        );
        measurements.push({ server, clients, results });
        const tookSeconds = ((performance.now() - startedMs) / 1000).toFixed(0);
        console.log(`round ${round}: ${server}, clients: ${clients}, took ${tookSeconds} s`);
      }
  return medians(measurements);
}

if (values.help) console.log(HELP);
else console.log(`\n${table(await interruptible(measureAll))}`);
