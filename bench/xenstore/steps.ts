/** The benchmark's own programs. */
import { serviceFolder } from '../../src/image/allowance.ts';
import { compiling } from '../../src/image/bundle.ts';
import type { Step } from '../../src/image/step.ts';
import { runtime } from '../../src/image/steps/runtime.ts';

const PROGRAMS = ['domain-zero', 'conductor', 'client', 'logic-without-reset'].map((name) => ({
  name,
  module: `bench-${name}.js`,
  entry: `bench/xenstore/${name}/main.ts`,
}));

export const programs: Step = {
  name: 'bench-xenstore',
  summary: 'bytecode of the XenStore benchmark',
  lane: 'cpu',
  needs: [runtime],
  packages: [],
  ...compiling(PROGRAMS, [/^bench\/xenstore\//, /^test\/virtual-store\//, serviceFolder('xenstore-logic')], runtime),
};
