/** Makes the folder that stands for the hypervisor, with what has to be there before the first program starts. */
import { execFile } from 'node:child_process';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { XENSTORE_STATE_DOMID } from '../contracts/domids.ts';
import { STORE_GRANT } from '../services/xenstore-logic/ports.ts';
import {
  eventPipe,
  inboxes,
  introducer,
  PORTS_FILE_BYTES,
  pagesFile,
  portsFile,
  recordOffset,
  UNBOUND,
} from './layout.ts';

const PAGE_BYTES = 4096;

/** For this user alone: whoever writes here can do anything to the store. */
export async function makeFolder(): Promise<{ readonly path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'ennead-xenstored-'));
  const remove = (): Promise<void> => rm(path, { recursive: true, force: true });
  try {
    for (const inbox of Object.values(inboxes)) await makeZeroes(join(path, portsFile(inbox)), PORTS_FILE_BYTES);
    await openIntroducersPort(path);
    for (const domid of [XENSTORE_STATE_DOMID, introducer.domid])
      await makeZeroes(join(path, pagesFile(domid, STORE_GRANT)), PAGE_BYTES);
    const pipes = Object.values(inboxes).map((inbox) => join(path, eventPipe(inbox)));
    await promisify(execFile)('mkfifo', ['--mode=0600', ...pipes]);
    return { path, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function makeZeroes(path: string, bytes: number): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  await file.truncate(bytes).finally(() => file.close());
}

async function openIntroducersPort(folder: string): Promise<void> {
  const file = await open(join(folder, portsFile(inboxes.sockets)), 'r+');
  const record = Buffer.alloc(4);
  record.writeUInt32LE(UNBOUND);
  await file.write(record, 0, record.length, recordOffset(introducer.port)).finally(() => file.close());
}
