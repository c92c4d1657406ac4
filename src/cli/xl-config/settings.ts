/** Assignments, in their order, as one setting for each key. `+=` adds to a list or a string; of several `=` the last one counts. */
import { ConfigError, type SourcedAssignment } from './parse.ts';
import type { Value } from './syntax.ts';

export type Settings = ReadonlyMap<string, SourcedAssignment>;

export function settingsOf(assignments: readonly SourcedAssignment[]): Settings {
  const settings = new Map<string, SourcedAssignment>();
  for (const assignment of assignments) {
    const before = settings.get(assignment.name);
    const value = assignment.operator === '+=' && before ? sum(before.value, assignment) : assignment.value;
    settings.set(assignment.name, { ...assignment, value });
  }
  return settings;
}

function sum(before: Value, { name, value, source }: SourcedAssignment): Value {
  if (before.kind === 'list' && value.kind === 'list') return { ...value, items: [...before.items, ...value.items] };
  if (before.kind !== 'list' && value.kind !== 'list')
    return { ...value, kind: 'string', text: before.text + value.text };
  throw new ConfigError(source, value.line, value.column, `${name}: a list and a single value cannot be added`);
}
