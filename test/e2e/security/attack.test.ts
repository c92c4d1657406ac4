/**
 * Xen's own refusals. A hostile program runs under every label of the policy and tries what its manifest does not allow, past all
 * of our own checks. See README.md.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { describeAllowed, readCompiledPolicy } from '../../../src/policy/compiled-policy.ts';
import { violations } from '../../../src/policy/never.ts';
import { additions, type Policies } from './attack-policy.ts';
import { expectationOf, isRight, isVm } from './expectation.ts';
import { type AttackImages, builtParts, makeImages } from './images.ts';
import { unrecordedRefusals, wrongAnswers } from './judgement.ts';
import { runMachine } from './machine.ts';
import {
  type Attempt,
  attemptsOf,
  emulations,
  everyAttemptOf,
  isOwnGuest,
  isShownByTheBoot,
  type Label,
  labels,
  permissiveAttempts,
  runs,
  targetName,
  vms,
} from './plan.ts';
import { rights } from './rights.ts';
import { aliveIn, answersIn, denialsIn, finishedIn } from './serial.ts';

/** Many times what an idle machine needs. */
const RUN_TIMEOUT_MS = 300_000;
const living = vms.filter(runs).map((vm) => vm.domid);

let directory: string;
let images: AttackImages;
let policies: Policies;
/** Serial logs of a failed run stay. */
let keepsDirectory = false;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ennead-attack-'));
  ({ images, policies } = await makeImages(await builtParts(), directory));
});
afterEach(({ task }) => {
  keepsDirectory ||= task.result?.state === 'fail';
});
afterAll(async () => {
  if (keepsDirectory) process.stderr.write(`the serial logs of the attack machine are kept in ${directory}\n`);
  else await rm(directory, { recursive: true });
});

/** Runs the machine until these have attacked, and these have been heard once more. */
async function run(name: string, attackers: readonly string[], survivors: readonly number[]): Promise<string> {
  const folder = join(directory, name);
  await mkdir(folder);
  const [finished, alive] = [new Set<string>(), new Set<number>()];
  const heardEnough = (line: string): boolean => {
    for (const actor of finishedIn(line).keys()) {
      finished.add(actor);
      alive.clear();
    }
    for (const domid of aliveIn(line)) alive.add(domid);
    return attackers.every((actor) => finished.has(actor)) && survivors.every((domid) => alive.has(domid));
  };
  const enforcing = name === 'enforcing';
  const kept = keepsDirectory;
  keepsDirectory = true;
  const serial = await runMachine(images, { directory: folder, enforcing, heardEnough, timeoutMs: RUN_TIMEOUT_MS });
  keepsDirectory = kept;
  return serial;
}

/** What follows the last attack. */
const aftermath = (text: string): string => text.slice(text.lastIndexOf(' done '));

describe('the policy of the attack machine', () => {
  it('is the real one, and what a hostile VM needs to run and to be heard', () => {
    const real = new Set(readCompiledPolicy(policies.real).map(describeAllowed));
    const attacked = readCompiledPolicy(policies.attack).map(describeAllowed);
    const added = additions.flatMap(({ permissions, ...rule }) =>
      permissions.map((permission) => describeAllowed({ ...rule, permission })),
    );
    expect([...real].filter((right) => !attacked.includes(right))).toEqual([]);
    expect(new Set(attacked.filter((right) => !real.has(right)))).toEqual(new Set(added));
    expect(violations(readCompiledPolicy(policies.real))).toEqual([]);
  });
});

const kindOf = (actor: Label, target: Attempt['target']): string => {
  if (!isVm(target)) return target;
  return isOwnGuest(actor, target) ? 'own-guest' : target.label;
};

describe('what the attacks may achieve', () => {
  it.each(labels)('%s: the rights of the table, and each has a reason', (actor) => {
    const found: Partial<Record<Attempt['attack'], Set<string>>> = {};
    for (const attempt of everyAttemptOf(actor).filter((one) => isRight(actor, one))) {
      const { attack, target } = attempt;
      found[attack] = (found[attack] ?? new Set()).add(kindOf(actor, target));
      expect(expectationOf(actor, attempt).why).toMatch(/\w: \w/);
    }
    const table = Object.entries(rights[actor]).map(([attack, targets]) => [attack, new Set(targets)]);
    expect(found).toEqual(Object.fromEntries(table));
  });

  it('is left out of the attacks only where it is a right', () => {
    for (const actor of labels) {
      const omitted = everyAttemptOf(actor).filter((attempt) => isShownByTheBoot(actor, attempt));
      expect(omitted.filter((attempt) => !isRight(actor, attempt))).toEqual([]);
    }
  });
});

describe('an enforcing Xen', () => {
  let serial: string;
  beforeAll(async () => {
    serial = await run('enforcing', labels, living);
  });

  it('heard every attempt of every label', () => {
    expect(finishedIn(serial)).toEqual(new Map(labels.map((label) => [label, attemptsOf(label).length])));
  });

  it.each(labels)('%s: refuses what no manifest allows, and allows the rest', (actor) => {
    expect(wrongAnswers(actor, answersIn(serial))).toEqual([]);
  });

  it.each(labels)('%s: writes down each refusal by the policy', (actor) => {
    expect(unrecordedRefusals(actor, denialsIn(serial))).toEqual([]);
  });

  it('let Builder destroy domain 0 and retire PCIBack', () => {
    expect(serial).toMatch(/hostile: 4 control destroyed 0/);
    expect(serial).toMatch(/hostile: 4 control retired 1/);
  });

  it('kept every victim alive through the last attack, and none had to start its program again', () => {
    const alive = aliveIn(aftermath(serial));
    expect(living.filter((domid) => !alive.has(domid))).toEqual([]);
    expect(serial).not.toMatch(/supervisor: the service ended|Kernel panic/);
  });
});

/** What stands in a guest's way even without a policy. */
const heldBackByXenItself: readonly {
  readonly attack: Attempt['attack'];
  readonly target?: string;
  readonly why: string;
}[] = [
  { attack: 'create', target: 'bootstrapper', why: 'the label of domain 0 is given once' },
  { attack: 'grant-console', why: 'the page is granted to Toolstack' },
  { attack: 'grant-store', why: 'the page is granted to XenStore-Logic' },
  { attack: 'bind-ports', why: 'no port waits for this domain' },
  {
    attack: 'channel-for-third',
    why: 'XenStore-Logic, for whom it would be, is not there: Builder shows that it works',
  },
  { attack: 'map-gsi', why: 'the interrupt is not its own' },
  { attack: 'irq-permission', why: 'the interrupt is not its own' },
  { attack: 'iomem-permission', why: 'the memory is not its own' },
  { attack: 'ioport-permission', why: 'the port is not its own' },
  { attack: 'power-button', why: 'the victim is PV: it has none' },
  ...(Object.keys(emulations) as (keyof typeof emulations)[]).map((attack) => ({
    attack,
    why: 'the victim is PV: nothing is emulated for it',
  })),
  { attack: 'reset-channels', why: 'the victim is running: Xen resets channels of paused domains only' },
  { attack: 'build', why: 'the victim has been built, and has all its memory' },
];

describe('a Xen that does not enforce', () => {
  let serial: string;
  beforeAll(async () => {
    serial = await run('permissive', ['guest'], []);
  });

  const heldBack = ({ attack, target }: Attempt) =>
    heldBackByXenItself.some(
      (one) => one.attack === attack && (one.target ?? targetName(target)) === targetName(target),
    );

  it('lets a guest do to another what only the policy forbids: these attacks are no blanks', () => {
    const answers = answersIn(serial);
    const failed = permissiveAttempts().filter(
      (attempt) => answers.get(`guest ${attempt.attack} ${targetName(attempt.target)}`)?.answer !== 'ok',
    );
    expect(failed.map(({ attack, target }) => `${attack} ${targetName(target)}`)).toEqual(
      permissiveAttempts()
        .filter(heldBack)
        .map(({ attack, target }) => `${attack} ${targetName(target)}`),
    );
  });
});
