/** How each of the programs starts: `<program> <folder> …` */
import * as rt from 'ennead:rt';
import { startProgram } from '../kit/service.ts';
import type { Log } from '../xen/ports.ts';

const STANDARD_INPUT = 0;

/** The starter holds the other end of standard input and writes nothing: what ends is the starter, and then this program. */
function endWithStarter(): void {
  rt.onReadable(STANDARD_INPUT, () => {
    if (rt.read(STANDARD_INPUT, 1)?.length === 0) rt.exit(0);
  });
}

export function startInFolder(name: string, main: (folder: string, log: Log) => Promise<void> | void): void {
  startProgram(name, async (log) => {
    const [folder] = rt.args;
    if (folder === undefined) throw new Error('which folder?');
    endWithStarter();
    await main(folder, log);
  });
}
