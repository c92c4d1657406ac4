import { describe, expect, it } from 'vitest';
import { ennead, enneadJson, tryEnnead } from '../ennead.ts';
import { REFUSAL_BY_XEN } from '../host-verdict.ts';

interface Service {
  name: string;
  job: string;
  domid: number | null;
  memoryMib: number;
  state: string;
  upSince: string | null;
  resets: number;
}

const MEMORY_BUDGET_MIB = 384;

describe('a booted host', () => {
  it('has no domain 0, and no guest yet', async () => {
    const rows = (await enneadJson('list')) as { domid: number }[];
    expect(rows.map(({ domid }) => domid)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    const services = (await enneadJson('services')) as Service[];
    expect(services.find(({ name }) => name === 'bootstrapper')).toMatchObject({ domid: null, state: 'done' });
    expect(services.filter(({ domid }) => domid === 0)).toEqual([]);
  });

  it('runs the service VMs of the design within their memory budget', async () => {
    const services = (await enneadJson('services')) as Service[];
    const alive = services.filter(({ domid }) => domid !== null);
    expect(alive.map(({ name }) => name).sort()).toEqual(
      ['blkback', 'builder', 'netback', 'pciback', 'toolstack', 'xenstore-logic', 'xenstore-state'].sort(),
    );
    expect(alive.reduce((sum, { memoryMib }) => sum + memoryMib, 0)).toBeLessThanOrEqual(MEMORY_BUDGET_MIB);
    expect(new Set(alive.map(({ domid }) => domid)).size).toBe(alive.length);
  });

  it('has paused PCIBack and taken its rights', async () => {
    const services = (await enneadJson('services')) as Service[];
    expect(services.find(({ name }) => name === 'pciback')).toMatchObject({ state: 'paused', domid: 1 });
    const records = (await enneadJson('trust')) as { domid: number; label: string }[];
    expect(records.find(({ domid }) => domid === 1)?.label).toContain('pciback_retired_t');
  });

  it('enforces FLASK and isolates DMA', async () => {
    expect(await enneadJson('info')).toMatchObject({ flask: 'enforcing', dma_isolation: 'iommu' });
  });

  it('logged no refusal of Xen: each service has the rights that its work takes', async () => {
    expect(await ennead('host', 'log')).not.toMatch(REFUSAL_BY_XEN);
  });

  it('shows the log of one VM', async () => {
    expect(await ennead('logs', 'netback')).toContain('ennead[netback]: ready');
  });
});

describe('an operator who errs', () => {
  it('is told that a guest is unknown', async () => {
    const ran = await tryEnnead('destroy', 'nobody');
    expect(ran.status).not.toBe(0);
    expect(ran.stderr).toMatch(/nobody/);
    expect(ran.stderr.trim().split('\n')).toHaveLength(1);
  });

  it('is told that a volume would not fit on the disk', async () => {
    const ran = await tryEnnead('volume', 'create', 'too-large', '4T');
    expect(ran.status).not.toBe(0);
    expect(ran.stderr).toMatch(/too-large needs 4398046511104 bytes, \d+ are free/);
    expect(await enneadJson('volume', 'list')).toMatchObject({ volumes: [] });
  });
});
