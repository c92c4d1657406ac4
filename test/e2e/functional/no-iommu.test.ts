import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { GuestConsole } from '../console.ts';
import { ennead, enneadJson } from '../ennead.ts';
import { outsideServer } from '../outside-server.ts';
import { createProbe, inProbe, probeConsole } from '../probe.ts';
import { bootTestHost, takeDown } from '../test-host.ts';

const DISK_MIB = 4;
const DOWNLOAD_BYTES = 1024 * 1024;

describe('a host without an IOMMU', () => {
  let path: string;
  let console: GuestConsole;

  beforeAll(async () => {
    path = await bootTestHost('--no-iommu');
    await ennead('volume', 'create', 'disk', '8M');
    await createProbe({ name: 'probe', disks: ['disk'], network: true });
    console = await probeConsole('probe');
  });

  afterAll(async () => {
    await console.close();
    await takeDown(path);
  });

  it('says that DMA is not isolated', async () => {
    expect(await enneadJson('info')).toMatchObject({ flask: 'enforcing', dma_isolation: 'none' });
    expect(await ennead('info')).toMatch(/dma_isolation +: no: there is no IOMMU/);
  });

  it('gives a guest its disk and its network all the same', async () => {
    expect(await inProbe(console, `disk-fill /dev/xvda ${DISK_MIB}`)).toMatch(/^[0-9a-f]{64}$/);
    const server = await outsideServer(DOWNLOAD_BYTES);
    try {
      expect(await inProbe(console, `fetch-hash ${server.url}`)).toBe(server.sha256);
    } finally {
      await server.close();
    }
  });
});
