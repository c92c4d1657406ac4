/** XenStore-State and XenStore-Logic for an ordinary host, and the socket before them: src/xenstored. */
import { serviceFolder } from '../allowance.ts';
import { compiling } from '../bundle.ts';
import type { Step } from '../step.ts';
import { runtime } from './runtime.ts';

const PROGRAMS = ['state', 'logic', 'sockets'].map((name) => ({
  name,
  module: `xenstored-${name}.js`,
  entry: `src/xenstored/${name}.ts`,
}));
const FOLDERS = [/^src\/xenstored\//, serviceFolder('xenstore-state'), serviceFolder('xenstore-logic')];

export const xenstored: Step = {
  name: 'xenstored',
  summary: "bytecode of ennead-xenstored's programs",
  lane: 'cpu',
  needs: [runtime],
  packages: [],
  ...compiling(PROGRAMS, FOLDERS, runtime),
};
