import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DomainRow } from '../../../src/contracts/toolstack.ts';
import { GuestConsole } from '../console.ts';
import { ennead, rowOf } from '../ennead.ts';
import { outsideServer } from '../outside-server.ts';
import { createProbe, inProbe, PROMPT, probeConsole } from '../probe.ts';

const DISK_MIB = 64;
const DOWNLOAD_BYTES = 32 * 1024 * 1024;
const TRANSFER_TIMEOUT_MS = 240_000;
const WORKS = { timeout: 60_000, interval: 500 };
const CTRL_C = '\x03';
const CTRL_BRACKET = '\x1d';

async function probeRow(): Promise<DomainRow> {
  const row = await rowOf('probe');
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

  it('stands still while it is paused: it uses no processor and answers nobody', async () => {
    const worker = await inProbe(console, 'while :; do :; done & echo $!');
    const { timeSeconds } = await probeRow();
    await expect.poll(async () => (await probeRow()).timeSeconds, WORKS).toBeGreaterThan(timeSeconds + 0.5);
    await ennead('pause', 'probe');
    const paused = await probeRow();
    expect(paused.state).toBe('paused');
    console.send('echo awake');
    // Everybody else goes on meanwhile.
    await ennead('volume', 'list');
    expect(await probeRow()).toEqual(paused);
    expect(console.shows(/awake/)).toBe(false);
    await ennead('unpause', 'probe');
    await console.expect(new RegExp(`awake\\s+status 0\\s+${PROMPT.source}`));
    await inProbe(console, `kill ${worker}`);
  });

  it('has a console that Ctrl+] leaves on a terminal, and Ctrl+C does not', async () => {
    const terminal = new GuestConsole('probe', ['console', 'probe'], 'own');
    await terminal.expect(/Ctrl\+\] leaves it/);
    terminal.type(CTRL_C);
    terminal.send('echo $((6 * 7)) is heard');
    await terminal.expect(/42 is heard/);
    terminal.type(CTRL_BRACKET);
    expect(await terminal.status()).toBe(0);
    expect(terminal.shows(/console left/)).toBe(true);
    expect(await probeRow()).toMatchObject({ state: 'running' });
  });
});
