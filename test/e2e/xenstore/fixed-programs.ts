/** What randomness hardly ever gets to: limits, all of a domain's life, a broken protocol. And one program for each known difference. */
import { homeOf } from '../../../src/contracts/xenstore-paths.ts';
import { ending, preparation, SHARED } from './preparation.ts';
import { type Ask, ask, GUESTS, OPERATOR, PRIVILEGED, type Program, type Step, type TypeName } from './program.ts';

const [ONE, OTHER, THIRD] = GUESTS;
const NOBODY_BEGAN = new Map();

const program = (name: string, ...steps: readonly Step[]): Program => ({
  name,
  steps: [...preparation, ...steps, ...ending(NOBODY_BEGAN)],
});

const times = (count: number, one: (number: number) => Ask): Step => {
  const asks = Array.from({ length: count }, (_, number) => one(number));
  return { do: 'flood', by: asks[0]!.by, asks };
};

const inFirst = { transaction: 0 } as const;

/** So many nodes, each below the one before. */
const deep = (top: string, levels: number): string => top + '/d'.repeat(levels - 1);

/** xenstored's limits of what a guest may use, and a little more. */
const limits: readonly Program[] = [
  program(
    'watches up to the limit',
    times(132, (number) => ask(ONE, 'watch', ['a', `t${number}`])),
  ),
  program(
    'transactions up to the limit',
    times(14, () => ask(ONE, 'transactionStart', [''])),
  ),
  program(
    'permissions up to the limit',
    ...[5, 6].map((count) => ask(ONE, 'setPerms', [homeOf(ONE), ...Array(count).fill(`n${ONE}`)])),
  ),
  program(
    'values up to the limit',
    ...[1900, 2047, 2048, 2049, 4000].map((length) => ask(ONE, 'write', ['a'], { tail: 'v'.repeat(length) })),
    ask(PRIVILEGED, 'write', ['/s/long'], { tail: 'v'.repeat(4000) }),
  ),
  program(
    'nodes up to the limit',
    times(99, (number) => ask(ONE, 'mkdir', [deep(`n${number}`, 10)])),
    times(20, (number) => ask(ONE, 'mkdir', [`m${number}`])),
    ask(ONE, 'rm', ['m0']),
    ask(ONE, 'mkdir', ['two/nodes']),
    ask(ONE, 'mkdir', ['one']),
  ),
  program(
    'nodes made in a transaction up to the limit',
    ask(ONE, 'transactionStart', ['']),
    ...Array.from({ length: 11 }, (_, number) => ask(ONE, 'mkdir', [deep(`n${number}`, 99)], inFirst)),
    ask(ONE, 'transactionEnd', ['T'], inFirst),
  ),
];

/** About 60 bytes a name: a directory that fills more than one message. */
const directories: readonly Program[] = [
  program(
    'a directory in parts',
    times(80, (number) => ask(PRIVILEGED, 'mkdir', [`/s/read/${'n'.repeat(57)}${number}`])),
    ask(ONE, 'directory', [SHARED.read]),
    ...['0', '0', '4060', '4720', '10000'].map((offset) => ask(ONE, 'directoryPart', [SHARED.read, offset])),
    ask(PRIVILEGED, 'mkdir', [`${SHARED.read}/last`]),
    ask(ONE, 'directoryPart', [SHARED.read, '0']),
    ask(PRIVILEGED, 'write', [`${SHARED.read}/last`], { tail: 'v' }),
    ask(ONE, 'directoryPart', [SHARED.read, '0']),
    ask(PRIVILEGED, 'write', [SHARED.read], { tail: 'v' }),
    ask(ONE, 'directoryPart', [SHARED.read, '0']),
  ),
];

const controlling: readonly (readonly [TypeName, ...string[]])[] = [
  ['introduce', '17', '0', '1'],
  ['release', '17'],
  ['resume', '17'],
  ['setTarget', '16', '17'],
  ['isDomainIntroduced', '17'],
  ['control', 'print', 'x'],
];

const domains: readonly Program[] = [
  program('a guest would control others', ...controlling.map(([type, ...strings]) => ask(ONE, type, strings))),
  program(
    'numbers that are none',
    ...['x', '16x', '', '-1', '99999'].map((number) => ask(ONE, 'getDomainPath', [number])),
  ),
  program(
    'a domain that is not there',
    ask(PRIVILEGED, 'watch', ['@introduceDomain', 't']),
    ask(PRIVILEGED, 'introduce', ['99', '0', '1']),
    ask(PRIVILEGED, 'introduce', ['99', '0', '0']),
    ask(PRIVILEGED, 'introduce', ['99', '0']),
    ...(['release', 'resume', 'isDomainIntroduced'] as const).map((type) => ask(PRIVILEGED, type, ['99'])),
  ),
  program(
    'domains come and go, and are watched',
    ...['@introduceDomain', '@releaseDomain'].flatMap((special) => [
      ask(PRIVILEGED, 'watch', [special, 'p']),
      ask(ONE, 'watch', [special, 'g']),
      ask(OTHER, 'watch', [special, 'g']),
      ask(PRIVILEGED, 'setPerms', [special, `n${PRIVILEGED}`, `r${OTHER}`]),
      ask(OTHER, 'getPerms', [special]),
    ]),
    { do: 'introduce', domid: THIRD },
    ask(PRIVILEGED, 'release', [String(THIRD)]),
    ask(PRIVILEGED, 'release', [String(THIRD)]),
    ask(PRIVILEGED, 'isDomainIntroduced', [String(THIRD)]),
    { do: 'introduce', domid: THIRD },
    { do: 'introduce', domid: THIRD },
    ask(PRIVILEGED, 'release', [String(THIRD)]),
    ask(ONE, 'getDomainPath', ['1']),
    ask(OTHER, 'getDomainPath', ['1']),
    { do: 'introduce', domid: THIRD },
    ask(PRIVILEGED, 'resume', [String(THIRD)]),
    ask(PRIVILEGED, 'isDomainIntroduced', [String(THIRD)]),
    ask(THIRD, 'write', ['a'], { tail: 'v' }),
  ),
  program(
    'a domain that broke the protocol is introduced again',
    ask(THIRD, 'watch', [SHARED.write, 't']),
    { do: 'break', by: THIRD, how: 'length' },
    ask(OTHER, 'write', [SHARED.write]),
    ask(PRIVILEGED, 'release', [String(THIRD)]),
    { do: 'introduce', domid: THIRD },
    ask(THIRD, 'read', [SHARED.write]),
    { do: 'break', by: THIRD, how: 'index' },
    ask(PRIVILEGED, 'release', [String(THIRD)]),
    { do: 'introduce', domid: THIRD },
    ask(THIRD, 'read', [SHARED.write]),
  ),
];

const operator = (...strings: readonly string[]): Ask => ask(OPERATOR, 'control', strings);
const set = (name: string, value: number): Ask => operator('quota', 'set', name, String(value));
const reads = (count: number, prefix: string): readonly Ask[] =>
  Array.from({ length: count }, (_, number) => ask(ONE, 'read', [`${prefix}${number}`], inFirst));

/** What the operator sets is set back at a program's end. */
const commands: readonly Program[] = [
  program(
    'help, and what is no command',
    ...[['help'], ['help', 'me'], [''], ['nothing'], ['helpme']].map((strings) => operator(...strings)),
    ask(OPERATOR, 'control', [], { tail: 'help' }),
    ask(OPERATOR, 'control', []),
  ),
  program(
    'what guests may use, and what one uses',
    operator('quota'),
    operator('quota-soft'),
    operator('quota', String(ONE)),
    ask(ONE, 'mkdir', ['a/b']),
    ask(ONE, 'watch', ['a', 't']),
    ask(ONE, 'transactionStart', ['']),
    operator('quota', String(ONE)),
    operator('quota', '99'),
    operator('quota', 'x'),
    operator('quota', String(ONE), String(OTHER)),
    operator('quota-soft', String(ONE)),
    ask(ONE, 'control', ['quota']),
    ask(ONE, 'control', ['quota', 'set', 'nodes', '2000']),
  ),
  program(
    'limits are set',
    set('nodes', 12),
    times(20, (number) => ask(ONE, 'mkdir', [`n${number}`])),
    set('nodes', 1000),
    set('node-size', 500),
    ...[300, 600].map((length) => ask(ONE, 'write', ['a'], { tail: 'v'.repeat(length) })),
    set('node-size', 2048),
    set('path-max', 300),
    ...[290, 300, 301].map((length) => ask(ONE, 'read', ['p'.repeat(length)])),
    ...[290, 300, 301].map((length) => ask(ONE, 'read', [`/${'p'.repeat(length - 1)}`])),
    set('path-max', 2048),
    set('permissions', 3),
    ...[3, 4].map((count) => ask(ONE, 'setPerms', [homeOf(ONE), ...Array(count).fill(`n${ONE}`)])),
    set('permissions', 5),
  ),
  program(
    'limits that cannot be set',
    ...[[], ['nodes'], ['nothing', '5'], ['nodes', '0'], ['nodes', '-5'], ['nodes', ''], ['nodes', '5', '6']].map(
      (strings) => operator('quota', 'set', ...strings),
    ),
    ...[[], ['memory'], ['nodes', '5'], ['memory', '0']].map((strings) => operator('quota-soft', 'set', ...strings)),
  ),
  program('a limit that is nearly a number', operator('quota', 'set', 'nodes', '1000x')),
  program('a limit above all bounds', operator('quota', 'set', 'path-max', '2049'), set('path-max', 2048)),
  program('a command for a database on disk', operator('check')),
  program(
    'nodes that a transaction looks at, up to the limit',
    set('transaction-nodes', 8),
    ask(ONE, 'transactionStart', ['']),
    ...reads(10, 'n'),
    ask(ONE, 'transactionEnd', ['T'], inFirst),
    set('transaction-nodes', 1024),
  ),
];

/** A guest that ends its conversation and begins a new one. */
const conversations: readonly Program[] = [
  program(
    'a domain asks for a new conversation and is introduced',
    ask(THIRD, 'watch', [SHARED.write, 't']),
    ask(THIRD, 'transactionStart', ['']),
    { do: 'reconnect', domid: THIRD, introduced: true },
    ask(OTHER, 'write', [SHARED.write]),
    ask(THIRD, 'read', [SHARED.write]),
    ask(THIRD, 'transactionEnd', ['T'], inFirst),
  ),
  program(
    'a domain asks for a new conversation',
    ask(THIRD, 'watch', [SHARED.write, 't']),
    { do: 'reconnect', domid: THIRD, introduced: false },
    ask(OTHER, 'write', [SHARED.write]),
    ask(THIRD, 'read', [SHARED.write]),
    { do: 'introduce', domid: THIRD },
  ),
];

/** What randomness finds as well, but not each time. */
const known: readonly Program[] = [
  program(
    'a node is made beside one that a transaction missed',
    ask(ONE, 'transactionStart', ['']),
    ask(ONE, 'read', [`${SHARED.write}/missed`], inFirst),
    ask(OTHER, 'mkdir', [`${SHARED.write}/beside`]),
    ask(ONE, 'transactionEnd', ['T'], inFirst),
  ),
  program(
    'what a transaction was refused is removed',
    ask(OTHER, 'transactionStart', ['']),
    ask(OTHER, 'read', [`${SHARED.named}/x`], inFirst),
    ask(PRIVILEGED, 'rm', [SHARED.named]),
    ask(OTHER, 'write', [SHARED.named], { tail: 'v', ...inFirst }),
    ask(OTHER, 'transactionEnd', ['T'], inFirst),
  ),
  program(
    'domain 0',
    ...(['resume', 'release', 'isDomainIntroduced'] as const).map((type) => ask(PRIVILEGED, type, ['0'])),
  ),
  program('bytes behind a token', ask(ONE, 'watch', ['a', 't'], { tail: 'tail' })),
  program('bytes behind a permission', ask(ONE, 'setPerms', [homeOf(ONE), `n${ONE}`], { tail: 'tail' })),
  program('a sign in a permission', ask(ONE, 'setPerms', [homeOf(ONE), 'n+16'])),
  program('a watch of nothing special', ask(ONE, 'watch', ['@', 't'])),
  program('a wrong permission too many', ask(ONE, 'setPerms', [homeOf(ONE), ...Array(6).fill('x')])),
];

/** From now on it does. */
export const targetProgram = program(
  'a domain acts for its target',
  ask(OTHER, 'write', ['a'], { tail: 'v' }),
  ask(ONE, 'read', [`${homeOf(OTHER)}/a`]),
  ask(PRIVILEGED, 'setTarget', [String(ONE), String(OTHER)]),
  ask(ONE, 'watch', [`${homeOf(OTHER)}`, 't']),
  ask(ONE, 'read', [`${homeOf(OTHER)}/a`]),
  ask(ONE, 'write', [`${homeOf(OTHER)}/b`], { tail: 'w' }),
  ask(OTHER, 'getPerms', ['b']),
  ask(OTHER, 'write', ['b'], { tail: 'x' }),
  ask(ONE, 'setPerms', [`${homeOf(OTHER)}/a`, `r${OTHER}`]),
  ask(ONE, 'setPerms', [`${homeOf(OTHER)}/a`, `n${ONE}`]),
  ask(ONE, 'write', [`${SHARED.named}/t`]),
  ask(THIRD, 'read', [`${homeOf(OTHER)}/b`]),
  ask(PRIVILEGED, 'setTarget', ['99', String(OTHER)]),
  ask(PRIVILEGED, 'setTarget', [String(ONE), '99']),
);

const ofThird = `${SHARED.write}/third`;

/** From now on a domid is another domain's. */
export const endProgram = program(
  'a domain suspends, is resumed and ends, and another one gets its domid',
  ...[PRIVILEGED, ONE].map((domid) => ask(domid, 'watch', ['@releaseDomain', 't'])),
  ask(PRIVILEGED, 'setPerms', ['@releaseDomain', `n${PRIVILEGED}`, `r${ONE}`]),
  ask(THIRD, 'write', [ofThird], { tail: 'v' }),
  ask(THIRD, 'setPerms', [ofThird, `r${THIRD}`]),
  ask(OTHER, 'write', [`${SHARED.write}/o`], { tail: 'v' }),
  ask(OTHER, 'setPerms', [`${SHARED.write}/o`, `n${OTHER}`, `r${THIRD}`]),
  ask(OTHER, 'watch', [SHARED.write, 't']),
  { do: 'suspend', domid: THIRD },
  ask(PRIVILEGED, 'isDomainIntroduced', [String(THIRD)]),
  ask(OTHER, 'read', [ofThird]),
  ask(PRIVILEGED, 'resume', [String(THIRD)]),
  ask(PRIVILEGED, 'isDomainIntroduced', [String(THIRD)]),
  { do: 'destroy', domid: THIRD },
  ask(ONE, 'getDomainPath', ['1']),
  ask(OTHER, 'read', [ofThird]),
  ask(OTHER, 'getPerms', [ofThird]),
  ask(OTHER, 'getPerms', [`${SHARED.write}/o`]),
  { do: 'rebuild', domid: THIRD },
  ask(THIRD, 'read', [`${SHARED.write}/o`]),
  ask(THIRD, 'write', [ofThird], { tail: 'w' }),
  ask(THIRD, 'read', ['a']),
  ask(OTHER, 'getPerms', [`${SHARED.write}/o`]),
);

/** What they leave behind matters to nobody. */
export const fixedPrograms: readonly Program[] = [
  ...limits,
  ...directories,
  ...domains,
  ...commands,
  ...conversations,
  ...known,
];
