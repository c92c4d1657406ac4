/** A host's images with another XenStore-Logic for the boot. Builder has the service's own. */
import { readFile, writeFile } from 'node:fs/promises';
import { type HostImages, hostImages } from '../../../src/host/host.ts';
import { serviceFolder } from '../../../src/image/allowance.ts';
import { buildImages } from '../../../src/image/build.ts';
import { compiling } from '../../../src/image/bundle.ts';
import { writeCpio } from '../../../src/image/cpio.ts';
import { buildSteps } from '../../../src/image/images.ts';
import type { Step } from '../../../src/image/step.ts';
import { archiveName } from '../../../src/image/steps/initramfs.ts';
import { runtime } from '../../../src/image/steps/runtime.ts';

const PROGRAM = { name: 'service', module: 'mortal-logic.js', entry: 'test/e2e/rebuild/mortal-logic.ts' };

const program: Step = {
  name: 'test-rebuild',
  summary: 'bytecode of a XenStore-Logic that ends when it is told to',
  lane: 'cpu',
  needs: [runtime],
  packages: [],
  ...compiling([PROGRAM], [/^test\/e2e\/rebuild\//, serviceFolder('xenstore-logic')], runtime),
};

/** `archive`: where Bootstrapper's archive is written. */
export async function imagesWithMortalLogic(archive: string): Promise<HostImages> {
  const images = hostImages(await buildImages());
  const { made } = await buildSteps([program], {});
  const bytes = await readFile(made.get(program)!.path('service.qbc'));
  const logic = writeCpio([{ kind: 'file', path: 'service.qbc', bytes }]);
  // Of a file that is there twice the kernel keeps the last.
  const more = writeCpio([{ kind: 'file', path: `images/${archiveName('xenstore-logic')}`, bytes: logic }]);
  await writeFile(archive, [await readFile(images.bootstrapper), more]);
  return { ...images, bootstrapper: archive };
}
