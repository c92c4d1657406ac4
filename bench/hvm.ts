/**
 * `npm run bench:hvm`: what it costs that a guest's emulated PC is a VM of its own, beside an ordinary Debian domain 0 with xl and QEMU. One Xen, one
 * virtual host, one guest; both hosts are booted in turn. Ratios travel between machines; seconds do not.
 */
import { parseArgs } from 'node:util';
import { buildImages } from '../src/image/build.ts';
import { buildSteps } from '../src/image/images.ts';
import { interruptible } from '../src/image/interruption.ts';
import { outsideServer } from '../test/e2e/outside-server.ts';
import { domainZeroDisk, ENNEAD_DISK, enneadDisk } from './hvm/disks.ts';
import { DOMAIN_ZERO_DISK, DOMAIN_ZERO_INITRD, DOMAIN_ZERO_KERNEL, debian } from './hvm/domain-zero.ts';
import { bootEnnead } from './hvm/ennead.ts';
import { bootOrdinary } from './hvm/ordinary.ts';
import { DOWNLOAD_MIB } from './hvm/plan.ts';
import { measureRound } from './hvm/round.ts';
import type { Side } from './hvm/side.ts';
import { compare, type Figures, table } from './hvm/table.ts';
import { inTemporaryHost } from './temporary-host.ts';

const HELP = `usage: npm run bench:hvm -- [--rounds N] [--json]

  --rounds N  so many boots of either host, and the medians, instead of 3; one takes some minutes
  --json      the figures of each round and what they come to
`;
const ROUNDS_MAX = 100;
const MIB = 1024 * 1024;

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

function roundsWanted(): number {
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > ROUNDS_MAX)
    throw new RangeError(`--rounds ${values.rounds}: a number from 1 to ${ROUNDS_MAX}`);
  return rounds;
}

async function measureAll(signal: AbortSignal): Promise<{ ordinary: Figures[]; ennead: Figures[] }> {
  const rounds = roundsWanted();
  const images = await buildImages();
  const { made } = await buildSteps([debian, enneadDisk, domainZeroDisk], {});
  const own = {
    xen: images.xen,
    kernel: made.get(debian)!.path(DOMAIN_ZERO_KERNEL),
    initrd: made.get(debian)!.path(DOMAIN_ZERO_INITRD),
    disk: made.get(domainZeroDisk)!.path(DOMAIN_ZERO_DISK),
  };
  const sides = {
    ordinary: () => bootOrdinary(own, signal),
    ennead: () => bootEnnead(images, made.get(enneadDisk)!.path(ENNEAD_DISK), signal),
  };
  const server = await outsideServer(DOWNLOAD_MIB * MIB);
  const port = Number(new URL(server.url).port);
  const figures = { ordinary: [] as Figures[], ennead: [] as Figures[] };
  try {
    for (let round = 1; round <= rounds; round++)
      for (const name of ['ordinary', 'ennead'] as const) {
        const say = (what: string): void => console.error(`round ${round}, ${name}: ${what}`);
        figures[name].push(await inTemporaryHost(() => measureBooted(sides[name], port, say, signal)));
      }
  } finally {
    await server.close();
  }
  return figures;
}

async function measureBooted(
  boot: () => Promise<Side>,
  port: number,
  say: (what: string) => void,
  signal: AbortSignal,
): Promise<Figures> {
  say('boots');
  const side = await boot();
  try {
    say('has booted');
    return await measureRound(side, port, say, signal);
  } finally {
    await side.end();
  }
}

async function main(): Promise<void> {
  const figures = await interruptible(measureAll);
  const compared = compare(figures.ordinary, figures.ennead);
  console.log(values.json ? JSON.stringify({ ...figures, compared }) : `\n${table(compared)}`);
}

if (values.help) console.log(HELP);
else
  await main().catch((error: Error) => {
    console.error(`bench:hvm: ${error.message}`);
    process.exitCode = 1;
  });
