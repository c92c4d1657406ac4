/** How each of the programs starts: `<program> <folder> …`; an exception ends it, which its supervisor answers with a fresh one. */
import * as rt from 'ennead:rt';
import type { Log } from '../xen/ports.ts';
import { log } from '../xen/real/adapter.ts';

const STANDARD_INPUT = 0;

/** The starter holds the other end of standard input and writes nothing: what ends is the starter, and then this program. */
function endWithStarter(): void {
  rt.onReadable(STANDARD_INPUT, () => {
    if (rt.read(STANDARD_INPUT, 1)?.length === 0) rt.exit(0);
  });
}

export function startProgram(name: string, main: (folder: string, log: Log) => Promise<void> | void): void {
  const programLog: Log = (line) => log(`ennead[${name}]: ${line}`);
  const [folder] = rt.args;
  const start = async (): Promise<void> => {
    if (folder === undefined) throw new Error('which folder?');
    endWithStarter();
    await main(folder, programLog);
  };
  start().catch((error: unknown) => {
    programLog(`failed: ${error instanceof Error ? `${error.message} ${error.stack ?? ''}` : String(error)}`);
    rt.exit(1);
  });
}
