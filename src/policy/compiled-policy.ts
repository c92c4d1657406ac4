/** A compiled policy as the set of what it allows. Read from the binary that Xen loads, not from the text it was made of. */
import { disassemble } from './checkpolicy.ts';

export interface Allowed {
  readonly source: string;
  readonly target: string;
  readonly class: string;
  readonly permission: string;
}

/** Statements that give nobody a right. */
const harmless = new Set(['class', 'sid', 'type', 'dontaudit', 'auditallow', 'type_transition', 'role', 'user']);

/**
 * One entry for each permission of each allow rule. Statements that would make rules hold for more than they say (attributes,
 * booleans, permissive types) are refused: the generator writes none, and a policy with them cannot be judged by this list.
 */
export function allowedBy(decompiled: string): Allowed[] {
  return decompiled.split('\n').flatMap((line) => {
    if (line === '' || line.startsWith('#')) return [];
    const keyword = line.split(' ', 1)[0]!;
    if (harmless.has(keyword)) return [];
    const found = /^allow (\w+) (\w+):(\w+) \{ ([\w ]+) \};$/.exec(line);
    if (!found) throw new Error(`compiled policy holds a statement that never rules cannot judge: ${line}`);
    const [, source, target, className, permissions] = found;
    // checkpolicy writes a rule of a type on itself as a rule on `self`
    const on = target === 'self' ? source! : target!;
    return permissions!
      .split(' ')
      .map((permission) => ({ source: source!, target: on, class: className!, permission }));
  });
}

export const readCompiledPolicy = (binary: Uint8Array): Allowed[] => allowedBy(disassemble(binary));

export const describeAllowed = ({ source, target, class: className, permission }: Allowed): string =>
  `allow ${source} ${target}:${className} ${permission}`;
