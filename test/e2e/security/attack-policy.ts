/**
 * The policy of the attack machine: the real one, and what the hostile program needs to run at all and to be heard. None of the additions is
 * a right over another VM. They are listed here and nowhere else, and the test requires that nothing else was added.
 */
import { baseline } from '../../../src/policy/baseline.ts';
import { assemble } from '../../../src/policy/checkpolicy.ts';
import { channelTypeOf, selfTypeOf, typeOf } from '../../../src/policy/domains.ts';
import { readClassFiles } from '../../../src/policy/flask-classes.ts';
import { generatePolicy } from '../../../src/policy/generate.ts';
import { type Rule, rule } from '../../../src/policy/grounds.ts';
import { manifests } from '../../../src/policy/manifests.ts';
import type { Label } from './plan.ts';

/** Linux without a XenStore opens a channel to itself when it starts; a real VM of these kinds has a XenStore. */
const startsAlone = (label: Label): Rule[] => [rule(channelTypeOf(label), selfTypeOf(label), 'event', 'bind')];

/** This label may not write to the serial line. */
const isHeard = (label: Label): Rule[] => [rule(typeOf(label), 'xen_t', 'xen', 'writeconsole')];

/** This label may do nothing, so that no kernel would get anywhere with it: its own page tables, and its own grant table. */
const runs = (label: Label): Rule[] => [
  ...baseline.flatMap(({ on, may }) =>
    Object.entries(may).map(([className, permissions]) =>
      rule(typeOf(label), on === 'self' ? selfTypeOf(label) : 'xen_t', className, permissions),
    ),
  ),
  rule(typeOf(label), channelTypeOf(label), 'event', 'create send status'),
  ...startsAlone(label),
  ...isHeard(label),
];

export const additions: readonly Rule[] = [
  ...(['pciback', 'builder', 'toolstack', 'blkback', 'netback', 'qemu', 'guest'] as const).flatMap(startsAlone),
  ...isHeard('guest'),
  ...runs('pciback-retired'),
];

const allow = ({ source, target, class: className, permissions }: Rule): string =>
  `allow ${source} ${target}:${className} { ${permissions.join(' ')} };`;

const FIRST_RULE = 'allow xenboot_t dom0_t:domain { create };';

export interface Policies {
  readonly real: Uint8Array;
  readonly attack: Uint8Array;
}

/** Compiled against the hypervisor whose class files lie in `classDirectory`. */
export function compilePolicies(classDirectory: string): Policies {
  const text = generatePolicy(manifests, readClassFiles(classDirectory));
  const more = text.replace(FIRST_RULE, [FIRST_RULE, ...additions.map(allow)].join('\n'));
  return { real: assemble(text), attack: assemble(more) };
}
