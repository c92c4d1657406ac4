/** The program with which hostile VMs try what emulators do: against Xen's libraries, as QEMU is. */
import { join } from 'node:path';
import { digestFile } from '../../../src/image/digest.ts';
import type { Step } from '../../../src/image/step.ts';

export const EMULATOR = 'emulator';
const SOURCE = join(import.meta.dirname, 'hostile', 'emulator.c');
const LIBRARIES = ['devicemodel', 'foreignmemory', 'ctrl', 'call', 'gnttab', 'evtchn', 'hypfs', 'toollog', 'toolcore'];

export const emulator: Step = {
  name: 'attack-emulator',
  summary: 'what an emulator does, as a program of the attack suite',
  lane: 'cpu',
  needs: [],
  packages: ['gcc-12', 'libc6-dev', 'libxen-dev'],
  inputs: async () => ({ source: await digestFile(SOURCE), recipe: await digestFile(import.meta.filename) }),
  async build(job) {
    const flags = ['-std=gnu11', '-D_GNU_SOURCE', '-Wall', '-Wextra', '-Werror', '-O2', '-static', '-s'];
    const libraries = LIBRARIES.map((name) => `-lxen${name}`);
    await job.run(['gcc-12', ...flags, '-o', join(job.outDir, EMULATOR), SOURCE, ...libraries]);
    return { version: '1', materials: [] };
  },
};
