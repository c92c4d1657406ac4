/** A recovery box of any size, for a service whose state has to outlive its process: two files in a file system that is memory. */
import * as rt from 'ennead:rt';
import type { SharedRegion } from '../xen/ports.ts';
import { sharedRegion } from '../xen/real/adapter.ts';

const PAGE_BYTES = 4096;
/** 4 MiB; a page takes memory when it is first written. */
const LOG_PAGES = 1024;
const SNAPSHOT_BYTES_MAX = 64 * 1024 * 1024;
const MODE = 0o600;

export interface FileBox {
  readonly log: SharedRegion;
  readSnapshot(): Uint8Array | null;
  writeSnapshot(bytes: Uint8Array): void;
}

export function fileBox(folder: string): FileBox {
  const [logPath, snapshot, next] = ['log', 'snapshot', 'snapshot.next'].map((name) => `${folder}/box-${name}`) as [
    string,
    string,
    string,
  ];
  if (rt.stat(logPath) === null) {
    const file = rt.open(logPath, 'w', MODE);
    rt.ftruncate(file, LOG_PAGES * PAGE_BYTES);
    rt.close(file);
  }
  return {
    log: sharedRegion(rt.regionFile(logPath, LOG_PAGES, true)),
    readSnapshot: () => (rt.stat(snapshot) === null ? null : rt.readFile(snapshot, SNAPSHOT_BYTES_MAX)),
    writeSnapshot: (bytes) => {
      rt.writeFile(next, bytes, MODE);
      rt.rename(next, snapshot);
    },
  };
}
