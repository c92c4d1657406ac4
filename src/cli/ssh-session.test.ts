import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { hostDirectory } from '../host/host-directory.ts';
import { openSshSession, sshArguments } from './ssh-session.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ennead-host-'));
  vi.stubEnv('ENNEAD_HOST_DIR', folder);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

test("ssh uses this host's key and known key, and nothing of the operator's own", () => {
  const args = sshArguments(hostDirectory(), 2222);
  expect(args.slice(0, 5)).toEqual(['-F', 'none', '-T', '-i', join(folder, 'id_ed25519')]);
  expect(args).toContain(`UserKnownHostsFile=${join(folder, 'known_hosts')}`);
  expect(args).toEqual(expect.arrayContaining(['BatchMode=yes', 'StrictHostKeyChecking=yes', '2222']));
  expect(args.at(-1)).toBe('toolstack@127.0.0.1');
});

test('a host that does not run is said to be stopped before any ssh is started', async () => {
  await expect(openSshSession()).rejects.toMatchObject({ code: 'host-stopped' });
});
