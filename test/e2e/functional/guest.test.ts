import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { GuestConsole } from '../console.ts';
import { ennead, enneadJson } from '../ennead.ts';
import { outsideServer } from '../outside-server.ts';
import { createProbe, inProbe, probeConsole } from '../probe.ts';

const DISK_MIB = 64;
const DOWNLOAD_BYTES = 32 * 1024 * 1024;
const TRANSFER_TIMEOUT_MS = 240_000;

interface Row {
  name: string;
  domid: number;
  memoryMib: number;
  vcpus: number;
  state: string;
  timeSeconds: number;
}

async function probeRow(): Promise<Row> {
  const row = ((await enneadJson('list')) as Row[]).find(({ name }) => name === 'probe');
  if (!row) throw new Error('the probe guest is not listed');
  return row;
}

describe('a guest with a disk and a network card', () => {
  let console: GuestConsole;

  beforeAll(async () => {
    await ennead('volume', 'create', 'probe-disk', '96M');
    await createProbe({ name: 'probe', disks: ['probe-disk'], network: true });
    console = await probeConsole('probe');
  });

  afterAll(async () => {
    await console.close();
    await ennead('destroy', 'probe');
    await ennead('volume', 'delete', 'probe-disk');
  });

  it('is listed with xl’s figures', async () => {
    const row = await probeRow();
    expect(row).toMatchObject({ name: 'probe', memoryMib: 64, vcpus: 1, state: 'running' });
    expect(row.domid).toBeGreaterThanOrEqual(16);
  });

  it('fetches 32 MiB over HTTP from outside the host, unchanged', async () => {
    const server = await outsideServer(DOWNLOAD_BYTES);
    try {
      expect(await inProbe(console, `fetch-hash ${server.url}`, TRANSFER_TIMEOUT_MS)).toBe(server.sha256);
    } finally {
      await server.close();
    }
  });

  it('reads back after a reboot what it wrote with fsync', async () => {
    const written = await inProbe(console, `disk-fill /dev/xvda ${DISK_MIB}`, TRANSFER_TIMEOUT_MS);
    expect(written).toMatch(/^[0-9a-f]{64}$/);
    const before = await probeRow();
    await console.close();
    await ennead('reboot', 'probe', '--wait');
    console = await probeConsole('probe');
    const after = await probeRow();
    expect(after.domid).not.toBe(before.domid);
    expect(await inProbe(console, `disk-hash /dev/xvda ${DISK_MIB}`, TRANSFER_TIMEOUT_MS)).toBe(written);
  });

  it('stands still while it is paused', async () => {
    await ennead('pause', 'probe');
    expect(await probeRow()).toMatchObject({ state: 'paused' });
    await ennead('unpause', 'probe');
    expect(await inProbe(console, 'echo awake')).toBe('awake');
  });
});
