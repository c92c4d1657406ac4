/** A disk whose system uses the emulated hardware at random: fuzz/fuzz.c, loaded by GRUB. Its seed is the first bytes of SEED_SECTOR, in digits. */
import { join } from 'node:path';
import { digestFile } from '../../src/image/digest.ts';
import type { Step } from '../../src/image/step.ts';
import { GRUB_PACKAGES, putGrub, putSectors } from './grub.ts';

const SOURCE = join(import.meta.dirname, 'fuzz', 'fuzz.c');
const CONFIGURATION = join(import.meta.dirname, 'fuzz', 'grub.cfg');
/** As in grub.cfg. */
const PROGRAM_SECTOR = 2048;
export const SEED_SECTOR = 4096;
export const FUZZ_DISK = 'fuzz.raw';
const LOAD_ADDRESS = '0x100000';

export const fuzzingGuest: Step = {
  name: 'fuzzing-guest',
  summary: 'a guest that uses its emulated hardware at random, for tests',
  lane: 'cpu',
  needs: [],
  packages: GRUB_PACKAGES,
  inputs: async () => ({
    recipe: await digestFile(import.meta.filename),
    grub: await digestFile(join(import.meta.dirname, 'grub.ts')),
    source: await digestFile(SOURCE),
    configuration: await digestFile(CONFIGURATION),
  }),
  async build(job) {
    const object = join(job.scratchDir, 'fuzz.o');
    const program = join(job.scratchDir, 'fuzz.elf');
    const disk = join(job.outDir, FUZZ_DISK);
    const flags =
      '-m32 -std=gnu11 -Os -ffreestanding -fno-pic -fno-stack-protector -fcf-protection=none -Wall -Wextra -Werror -Wno-array-bounds';
    await job.run(['gcc', ...flags.split(' '), '-c', SOURCE, '-o', object]);
    await job.run([
      'ld',
      '-m',
      'elf_i386',
      '-Ttext',
      LOAD_ADDRESS,
      '-z',
      'noseparate-code',
      '-e',
      'start',
      object,
      '-o',
      program,
    ]);
    const modules = ['biosdisk', 'multiboot'];
    await putGrub(job, { disk, prefix: '(hd0)', modules, configuration: CONFIGURATION });
    await putSectors(job, program, disk, PROGRAM_SECTOR);
    await job.run(['truncate', `--size=${(SEED_SECTOR + 1) * 512}`, disk]);
    return { version: (await digestFile(SOURCE)).slice(0, 12) };
  },
};
