/** ennead-xenstored with a XenStore-Logic that can be poisoned: `--socket PATH`. */
import { serviceFolder } from '../../src/image/allowance.ts';
import { compiling } from '../../src/image/bundle.ts';
import { buildSteps } from '../../src/image/images.ts';
import type { Step } from '../../src/image/step.ts';
import { runtime } from '../../src/image/steps/runtime.ts';
import { xenstored } from '../../src/image/steps/xenstored.ts';
import { serve } from '../../src/xenstored/programs.ts';

const PROGRAM = { name: 'logic', module: 'xenstored-logic.js', entry: 'test/xenstored/poisoned-logic.ts' };
const FOLDERS = [/^src\/xenstored\//, serviceFolder('xenstore-logic'), /^test\/xenstored\//];

const poisoned: Step = {
  name: 'xenstored-poisoned',
  summary: 'bytecode of a XenStore-Logic for tests',
  lane: 'cpu',
  needs: [runtime],
  packages: [],
  ...compiling([PROGRAM], FOLDERS, runtime),
};

const { made } = await buildSteps([runtime, xenstored, poisoned], {});
await serve(process.argv.at(-1)!, {
  runtime: made.get(runtime)!.path('ennead-rt'),
  program: (name) => made.get(name === 'logic' ? poisoned : xenstored)!.path(`${name}.qbc`),
});
