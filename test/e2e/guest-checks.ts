/** What a Debian must do on its console, whatever its disks and cards are. `inGuest` types a command there, and returns what it said. */
import { expect } from 'vitest';
import { outsideServer } from './outside-server.ts';

type InGuest = (command: string) => Promise<string>;

const FILE_MIB = 8;
const DOWNLOAD_BYTES = 4 * 1024 * 1024;
export const HASH = /[0-9a-f]{64}/;

export async function expectFsyncedFileBack(inGuest: InGuest): Promise<void> {
  await inGuest(`dd if=/dev/urandom of=/written bs=1M count=${FILE_MIB} conv=fsync`);
  const [before] = HASH.exec(await inGuest('sha256sum /written'))!;
  await inGuest('echo 3 > /proc/sys/vm/drop_caches');
  expect(await inGuest('sha256sum /written')).toContain(before);
}

export async function expectDownloadUnchanged(inGuest: InGuest): Promise<void> {
  const server = await outsideServer(DOWNLOAD_BYTES);
  try {
    expect(await inGuest(`busybox wget -q -O - ${server.url} | sha256sum`)).toContain(server.sha256);
  } finally {
    await server.close();
  }
}
