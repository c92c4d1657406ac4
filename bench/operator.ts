/** What a benchmark asks of a host, through the operator's own command. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GuestConsole } from '../test/e2e/console.ts';
import { ennead } from '../test/e2e/ennead.ts';

export const toolstackAnswers = (): Promise<string> => ennead('list');
export const tableOfServices = (): Promise<string> => ennead('services');
export const stopByCommand = (): Promise<string> => ennead('host', 'stop');

const GUEST = `name = "bench"
type = "pv"
memory = 32
kernel = "core"
extra = "console=hvc0"
on_crash = "preserve"
`;

/** From the command to the first byte on the guest's console: a bare kernel, no disk, no card. It ends without a root file system. */
export async function consoleFirstByteMs(): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'ennead-bench-guest-'));
  const file = join(folder, 'bench.cfg');
  await writeFile(file, GUEST);
  const started = performance.now();
  const console = new GuestConsole('bench', ['create', '-c', file]);
  try {
    await console.expect(/Linux version/);
    return performance.now() - started;
  } finally {
    await console.close();
    await ennead('destroy', 'bench');
    await rm(folder, { recursive: true });
  }
}
