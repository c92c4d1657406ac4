/** Boots a host with one of the servers, and returns what was heard there. */
import type { Parts } from '../../virtual-store/images.ts';
import { runMachine } from '../../virtual-store/machine.ts';
import { DONE, type Heard, Listener } from './heard.ts';
import { programsOf } from './programs.ts';
import { programs } from './steps.ts';

const MEMORY_MIB = 1024;
/** To boot a host, and to play a program. */
const BOOT_TIMEOUT_MS = 180_000;
const PROGRAM_TIMEOUT_MS = 30_000;

export interface Played {
  readonly seed: number;
  /** Of random programs. */
  readonly count: number;
}

/** Of each program, each step. */
export async function play(parts: Parts, server: 'ennead' | 'xenstored', { seed, count }: Played): Promise<Heard[][]> {
  const listener = new Listener();
  const all = programsOf(seed, count);
  await runMachine(parts, {
    contents: { programs, program: 'domain-zero', vmPrograms: ['relay'], server },
    memoryMib: MEMORY_MIB,
    parameters: { server, seed: String(seed), programs: String(count) },
    timeoutMs: BOOT_TIMEOUT_MS + PROGRAM_TIMEOUT_MS * all.length,
    heardEnough(line) {
      listener.take(line);
      return line.includes(DONE);
    },
  });
  return all.map((_, index) => listener.heard(index));
}
