/** The two programs of this test's hosts. */
import { compiling } from '../../../src/image/bundle.ts';
import type { Step } from '../../../src/image/step.ts';
import { runtime } from '../../../src/image/steps/runtime.ts';

const PROGRAMS = ['domain-zero', 'relay'].map((name) => ({
  name,
  module: `test-${name}.js`,
  entry: `test/e2e/xenstore/${name}/main.ts`,
}));
const FOLDERS = [
  /^test\/e2e\/xenstore\//,
  /^test\/virtual-store\/domain-zero\//,
  /^test\/fuzz\/random\.ts$/,
  /^src\/xen\/memory\/scheduler\.ts$/,
];

export const programs: Step = {
  name: 'test-xenstore',
  summary: 'bytecode of the comparison with xenstored',
  lane: 'cpu',
  needs: [runtime],
  packages: [],
  ...compiling(PROGRAMS, FOLDERS, runtime),
};
