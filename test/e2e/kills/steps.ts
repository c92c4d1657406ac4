/** The programs of the kill test. */
import { serviceFolder } from '../../../src/image/allowance.ts';
import { compiling } from '../../../src/image/bundle.ts';
import type { Step } from '../../../src/image/step.ts';
import { runtime } from '../../../src/image/steps/runtime.ts';

const PROGRAMS = [
  ...['domain-zero', 'conductor', 'client'].map((name) => [name, `${name}/main.ts`] as const),
  ['mortal-state', 'mortal/state.ts'] as const,
  ['mortal-logic', 'mortal/logic.ts'] as const,
  ['killer', 'mortal/killer.ts'] as const,
].map(([name, entry]) => ({ name, module: `kills-${name}.js`, entry: `test/e2e/kills/${entry}` }));

const FOLDERS = [
  /^test\/(e2e\/kills|virtual-store)\//,
  // Choices that are drawn from a seed.
  /^test\/fuzz\/random\.ts$/,
  /^src\/xen\/memory\/scheduler\.ts$/,
  serviceFolder('xenstore-state'),
  serviceFolder('xenstore-logic'),
];

export const programs: Step = {
  name: 'test-kills',
  summary: 'bytecode of the test that kills XenStore',
  lane: 'cpu',
  needs: [runtime],
  packages: [],
  ...compiling(PROGRAMS, FOLDERS, runtime),
};
