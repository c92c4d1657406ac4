/** The image builder's entry: a function for the rest of Ennead, and a command of its own. */
import { parseArgs } from 'node:util';
import { steps } from './graph.ts';
import { buildImages, buildSteps } from './images.ts';
import { formatImageList, listImages } from './list.ts';
import { MissingPackagesError } from './packages.ts';

export { type BuildOptions, buildImages, type ImageSet, installPackages } from './images.ts';
export { formatImageList, type ListedImage, listImages } from './list.ts';
export { formatVerification, verifiableSteps, verifyImages } from './verify.ts';

const HELP = `usage: npx tsx src/image/build.ts [--only STEP]… [--refresh] [--keep-work] | --list | --help

  --only STEP   build this step and what it needs
  --refresh     take newer sources from Debian's archive, if there are any
  --keep-work   keep build trees, to try changes of a kernel quickly
  --list        print what there is

steps: ${steps.map(({ name }) => name).join(' ')}
`;

/** As in sysexits.h: something this machine should have is not there. */
const EXIT_MISSING_PACKAGES = 69;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', multiple: true, default: [] },
      refresh: { type: 'boolean', default: false },
      'keep-work': { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return void process.stdout.write(HELP);
  if (values.list) return void process.stdout.write(formatImageList(await listImages()));
  const options = { refresh: values.refresh, keepWork: values['keep-work'] };
  if (values.only.length === 0) {
    await buildImages(options);
    return;
  }
  const wanted = values.only.map((name) => {
    const step = steps.find((candidate) => candidate.name === name);
    if (!step) throw new Error(`no step ${name}; there are ${steps.map((candidate) => candidate.name).join(', ')}`);
    return step;
  });
  const { made } = await buildSteps(wanted, options);
  for (const artifact of made.values()) process.stdout.write(`${artifact.dir}\n`);
}

if (process.argv[1] === import.meta.filename) {
  main().catch((cause: Error) => {
    process.stderr.write(`${cause.message}\n`);
    process.exitCode = cause instanceof MissingPackagesError ? EXIT_MISSING_PACKAGES : 1;
  });
}
