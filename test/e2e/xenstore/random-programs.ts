/** Random programs. What a step looks like is drawn from tables: usual requests most of the time, odd ones sometimes. */
import { homeOf } from '../../../src/contracts/xenstore-paths.ts';
import { messageTypes, PAYLOAD_BYTES_MAX } from '../../../src/wire/xenstore-message.ts';
import type { DomId } from '../../../src/xen/ports.ts';
import { Random } from '../../fuzz/random.ts';
import { ending, preparation, SHARED } from './preparation.ts';
import { type Ask, ask, CLIENTS, GUESTS, PRIVILEGED, type Program, type Step, type TypeName } from './program.ts';

const STEPS = 40;

/** How often something is done, of all. */
const ODDS = {
  byPrivileged: 0.15,
  inTransaction: 0.35,
  oddPath: 0.08,
  oddPermission: 0.06,
  damagedPayload: 0.03,
  unknownType: 0.01,
} as const;

const [ONE, OTHER, THIRD] = GUESTS;

const paths = {
  usual: [
    ...['a', 'a', 'a/b', 'a/b/c', 'd'],
    ...[
      homeOf(ONE),
      `${homeOf(ONE)}/a`,
      `${homeOf(ONE)}/a/b`,
      homeOf(OTHER),
      `${homeOf(OTHER)}/a`,
      `${homeOf(THIRD)}/d`,
    ],
    ...[SHARED.read, SHARED.write, `${SHARED.write}/x`, `${SHARED.write}/x/y`, `${SHARED.write}/z`],
    ...[SHARED.named, `${SHARED.named}/x`, `${SHARED.named}/y`, SHARED.none, `${SHARED.none}/x`],
  ],
  odd: [
    ...['', '/', '//', 'a/', '/a/', 'a//b', '.', '../17/a', 'a b', 'a\xfc', 'a@b', '#'],
    ...['@introduceDomain', '@releaseDomain', '@other', '@', '/local', '/local/domain', '/none/x', homeOf(99)],
    ...['p'.repeat(2040), 'p'.repeat(2048), 'p'.repeat(2049), `/s/${'p'.repeat(2045)}`, `/s/${'q'.repeat(2046)}`],
  ],
} as const;

const permissions = {
  usual: [...CLIENTS, 0].flatMap((domid) => ['n', 'r', 'w', 'b'].map((letter) => `${letter}${domid}`)),
  odd: ['', 'n', '16', 'x16', 'n-1', 'n 16', 'n16x', 'nn16', 'N16'],
} as const;

const numbers = ['0', '4', '16', '17', '18', '99', '', 'x', '-1', '16x', '32752'] as const;
const values = ['', 'v', 'connected', 'a\0b', '\xff\xfe', 'v'.repeat(300)] as const;
const tokens = ['t', 't', 'u', '', 'to ken', '\xff'] as const;
const unknownTypes = [15, 16, 20, 23, 99, 0xffffffff] as const;

type Fields = { readonly strings: readonly string[]; readonly tail?: string };

/** type → how often, and its payload. */
const requests: readonly (readonly [TypeName, number, (random: Random, by: DomId) => Fields])[] = [
  ['read', 6, (random) => ({ strings: [path(random)] })],
  ['write', 10, (random) => ({ strings: [path(random)], tail: random.pick(values) })],
  ['mkdir', 4, (random) => ({ strings: [path(random)] })],
  ['rm', 3, (random) => ({ strings: [path(random)] })],
  ['directory', 4, (random) => ({ strings: [path(random)] })],
  ['directoryPart', 2, (random) => ({ strings: [path(random), random.pick(['0', '0', '2', '9', 'x'])] })],
  ['getPerms', 4, (random) => ({ strings: [path(random)] })],
  ['setPerms', 6, (random, by) => ({ strings: [ownable(random), ...someOf(random, () => permission(random, by))] })],
  ['watch', 6, (random) => ({ strings: [path(random), random.pick(tokens)] })],
  ['unwatch', 2, (random) => ({ strings: [path(random), random.pick(tokens)] })],
  ['resetWatches', 0.3, () => ({ strings: [''] })],
  ['transactionStart', 4, () => ({ strings: [''] })],
  ['transactionEnd', 4, (random) => ({ strings: [random.pick(['T', 'T', 'T', 'T', 'F', 'x'])] })],
  ['getDomainPath', 0.5, (random) => ({ strings: [random.pick(numbers)] })],
  ['isDomainIntroduced', 0.5, (random) => ({ strings: [random.pick(numbers)] })],
];
/** Refused to guests, whoever is named. */
const control: readonly (readonly [TypeName, number, (random: Random) => Fields])[] = [
  ['control', 0.3, () => ({ strings: ['print', 'x'] })],
  ['introduce', 0.3, (random) => ({ strings: [random.pick(numbers), '0', random.pick(['0', '1', 'x'])] })],
  ['release', 0.3, (random) => ({ strings: [random.pick(numbers)] })],
  ['resume', 0.3, (random) => ({ strings: [random.pick(numbers)] })],
  ['setTarget', 0.3, (random) => ({ strings: [random.pick(numbers), random.pick(numbers)] })],
];
/** Anything that lasts longer than its program is for fixed programs. */
const privileged: typeof requests = [...requests, ['resume', 0.5, (random) => ({ strings: [random.pick(numbers)] })]];
const ordinary: typeof requests = [...requests, ...control];

export function randomProgram(seed: number): Program {
  const random = new Random(seed);
  const started = new Map<DomId, number>(CLIENTS.map((domid) => [domid, 0]));
  const steps: Step[] = [];
  while (steps.length < STEPS) {
    const by = random.chance(ODDS.byPrivileged) ? PRIVILEGED : random.pick(GUESTS);
    const step = request(random, by, started.get(by)!);
    if (step.type === messageTypes.transactionStart) started.set(by, started.get(by)! + 1);
    steps.push(step);
  }
  return { name: `random ${seed}`, seed, steps: [...preparation, ...steps, ...ending(started)] };
}

/** `started`: how many transactions the domain has begun. */
function request(random: Random, by: DomId, started: number): Ask {
  const [type, , fields] = weighted(random, by === PRIVILEGED ? privileged : ordinary);
  const { strings, tail = '' } = fields(random, by);
  const within = type === 'transactionEnd' || (type !== 'transactionStart' && random.chance(ODDS.inTransaction));
  const transaction = within && started > 0 ? latest(random, started) : null;
  const step = ask(by, type, strings, { tail, transaction });
  if (random.chance(ODDS.unknownType)) return { ...step, type: random.pick(unknownTypes) };
  const isDamaged = random.chance(ODDS.damagedPayload) && !neverDamaged.includes(step.type);
  return isDamaged ? { ...step, payload: random.pick(damages)(step.payload).slice(0, PAYLOAD_BYTES_MAX) } : step;
}

/** Mostly the one begun last; sometimes one that is not there yet. */
const latest = (random: Random, started: number): number =>
  random.chance(0.8) ? started - 1 : random.below(started + 1);

/**
 * With these xenstored takes a payload that is no single string for an error of the system call before: whatever that was is its answer, and where there was none it ends by an assertion
 * of its own. So they are not damaged. @source tools/xenstore/xenstored_core.c, onearg, get_node_canonicalized
 */
const neverDamaged: readonly number[] = (['read', 'directory', 'getPerms', 'mkdir', 'rm'] as const).map(
  (type) => messageTypes[type],
);

const damages: readonly ((payload: string) => string)[] = [
  () => '',
  (payload) => payload.slice(0, -1),
  (payload) => `${payload}\0`,
  (payload) => `\0${payload}`,
  (payload) => payload + payload,
  (payload) => `${payload}tail`,
];

function weighted(random: Random, choices: typeof requests): (typeof requests)[number] {
  const sum = choices.reduce((total, [, weight]) => total + weight, 0);
  let left = (random.below(1_000_000) / 1_000_000) * sum;
  for (const choice of choices) {
    left -= choice[1];
    if (left < 0) return choice;
  }
  return choices[0]!;
}

const path = (random: Random): string => random.pick<string>(random.chance(ODDS.oddPath) ? paths.odd : paths.usual);

/** xenstored ends by the assertion mentioned above when somebody may not set the permissions of a special path. @source tools/xenstore/xenstored_core.c, do_set_perms */
function ownable(random: Random): string {
  const drawn = path(random);
  return drawn.startsWith('@') ? `/${drawn}` : drawn;
}

/** The first names the owner, whom only the privileged domain may change. */
function permission(random: Random, by: DomId): string {
  if (random.chance(ODDS.oddPermission)) return random.pick<string>(permissions.odd);
  return random.chance(0.4) ? `${random.pick(['n', 'r', 'b'])}${by}` : random.pick<string>(permissions.usual);
}

function someOf<T>(random: Random, one: () => T): T[] {
  const all = [one()];
  while (all.length < 7 && random.chance(0.4)) all.push(one());
  return all;
}
