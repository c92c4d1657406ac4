import { describe, expect, it } from 'vitest';
import { FIRST_GUEST_DOMID } from '../../../src/contracts/domids.ts';
import type { StoreQuota } from '../../../src/contracts/toolstack.ts';
import { guestLimits } from '../../../src/contracts/xenstore-limits.ts';
import { domains, ennead, enneadJson, tryEnnead } from '../ennead.ts';
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
  it('has no domain 0, and no guest by itself', async () => {
    const rows = await domains();
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
    const rows = (await domains()).filter(({ domid }) => domid < FIRST_GUEST_DOMID);
    expect(rows).toHaveLength(alive.length);
    // What Xen says that each has, not what it was meant to have.
    expect(rows.reduce((sum, { memoryMib }) => sum + memoryMib, 0)).toBeLessThanOrEqual(MEMORY_BUDGET_MIB);
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

  it('shows the whole of XenStore, and lets nobody write through Toolstack where Builder alone may', async () => {
    const nodes = (await enneadJson('xenstore', 'ls')) as { path: string; value: string }[];
    expect(nodes).toContainEqual(expect.objectContaining({ path: '/local/domain/4/name', value: 'builder' }));
    const note = '/local/domain/5/data/note';
    await ennead('xenstore', 'write', note, 'seen');
    expect(await ennead('xenstore', 'read', note)).toBe('seen\n');
    await ennead('xenstore', 'rm', '/local/domain/5/data');
    expect(await tryEnnead('xenstore', 'write', '/local/domain/4/name', 'mine')).toMatchObject({ status: 14 });
  });

  it('shows what guests may have in XenStore and what each VM has, and sets it', async () => {
    await ennead('xenstore', 'quota', 'set', 'nodes', '900');
    const { limits, domains } = (await enneadJson('xenstore', 'quota')) as StoreQuota;
    expect(limits).toEqual({ ...guestLimits, nodes: 900 });
    expect(domains.filter(({ nodes }) => nodes > 0).map(({ domid }) => domid)).toEqual([1, 4, 5, 6, 7]);
    await ennead('xenstore', 'quota', 'set', 'nodes', String(guestLimits.nodes));
  });

  it('shows the log of one VM', async () => {
    expect(await ennead('logs', 'netback')).toContain('ennead[netback]: ready');
  });
});
