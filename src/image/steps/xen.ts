/** The hypervisor with FLASK, and the class files that a policy for it is compiled against. */
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SOURCE_DATE_EPOCH } from '../command.ts';
import { digestFile } from '../digest.ts';
import { unmetOptions } from '../kconfig.ts';
import type { Step } from '../step.ts';
import { unpackSourcePackage, xenSource } from './sources.ts';

const CONFIG = join(import.meta.dirname, '..', 'xen.config');
const PATCH = join(import.meta.dirname, '..', 'xen-event-channels.patch');
const POLICY_FILES = ['security_classes', 'access_vectors', 'initial_sids'];

/** Xen prints these at boot; left to itself its build would put in this machine's name and the hour. */
const STAMP = {
  XEN_BUILD_DATE: new Date(SOURCE_DATE_EPOCH * 1000).toUTCString(),
  XEN_BUILD_TIME: '00:00:00',
  XEN_BUILD_HOST: 'ennead',
  XEN_WHOAMI: 'ennead',
  XEN_DOMAIN: 'ennead',
};
// XEN_CONFIG_EXPERT makes FLASK and LATE_HWDOM selectable. Without efi-y the loader for EFI machines is built as well.
const MAKE = [
  'make',
  '-j2',
  'XEN_CONFIG_EXPERT=y',
  'efi-y=',
  ...Object.entries(STAMP).map(([name, value]) => `${name}=${value}`),
];

export const xen: Step = {
  name: 'xen',
  summary: 'the hypervisor: PV, HVM, FLASK, late hardware domain',
  lane: 'cpu',
  needs: [xenSource],
  packages: ['binutils', 'bison', 'dpkg-dev', 'flex', 'gcc-12', 'libc6-dev', 'make', 'patch', 'python3'],
  inputs: async () => ({
    recipe: await digestFile(import.meta.filename),
    config: await digestFile(CONFIG),
    patch: await digestFile(PATCH),
  }),
  async build(job) {
    const tree = join(job.scratchDir, 'xen');
    await unpackSourcePackage(job, xenSource, tree);
    await job.run(['patch', '--strip=1', '--directory', tree, '--input', PATCH]);
    const cwd = join(tree, 'xen');
    const wanted = await readFile(CONFIG, 'utf8');
    await writeFile(join(cwd, '.config'), wanted);
    await job.run([...MAKE, 'olddefconfig'], { cwd });
    const unmet = unmetOptions(wanted, await readFile(join(cwd, '.config'), 'utf8'));
    if (unmet.length > 0) throw new Error(`Xen's configuration dropped ${unmet.join(', ')}`);
    await job.run([...MAKE, 'xen'], { cwd });
    await copyFile(join(cwd, 'xen'), join(job.outDir, 'xen.elf'));
    for (const file of POLICY_FILES) {
      await copyFile(join(cwd, 'xsm/flask/policy', file), join(job.outDir, file));
    }
    const { version, materials } = job.artifact(xenSource);
    return { version, materials };
  },
};
