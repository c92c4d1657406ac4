/** ennead-rt: QuickJS and our C layer over Xen's libraries, one static program. */
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digestTree } from '../digest.ts';
import type { Step } from '../step.ts';
import { quickjsSource, unpackSourcePackage } from './sources.ts';

const RUNTIME = join(import.meta.dirname, '..', '..', '..', 'runtime');

/** Everything whose bytes end up in the static program, and what puts them there. */
const PACKAGES = [
  'binutils',
  'dpkg-dev',
  'gcc-12',
  'libbz2-dev',
  'libc6-dev',
  'liblzma-dev',
  'liblzo2-dev',
  'libxen-dev',
  'libzstd-dev',
  'make',
  'patch',
  'zlib1g-dev',
];

export const runtime: Step = {
  name: 'ennead-rt',
  summary: 'the program of every service VM: QuickJS over the libraries of Xen',
  lane: 'cpu',
  needs: [quickjsSource],
  packages: PACKAGES,
  inputs: async () => ({ source: await digestTree(RUNTIME, (path) => !/^test\/|^build\/|\.md$|\.d\.ts$/.test(path)) }),
  async build(job) {
    const quickjs = join(job.scratchDir, 'quickjs');
    await unpackSourcePackage(job, quickjsSource, quickjs);
    await job.run(['patch', '--strip=1', '--directory', quickjs, '--input', join(RUNTIME, 'quickjs.patch')]);
    const objects = join(job.scratchDir, 'objects');
    await job.run(['make', '-j2', '-C', RUNTIME, `QUICKJS=${quickjs}`, `OUT=${objects}`, 'static']);
    await copyFile(join(objects, 'ennead-rt'), join(job.outDir, 'ennead-rt'));
    const { version, materials } = job.artifact(quickjsSource);
    return { version: `QuickJS ${version}`, materials };
  },
};
