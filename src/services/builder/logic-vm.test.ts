import { beforeEach, describe, expect, it } from 'vitest';
import type { GuestBuilt } from '../../contracts/builder.ts';
import { FIRST_GUEST_DOMID } from '../../contracts/domids.ts';
import { contextOf } from '../../contracts/flask-contexts.ts';
import { type DomainInfo, PortError } from '../../xen/ports.ts';
import { BUILDER, guestSpec, LOGIC, World } from './testing/world.ts';

const LOOK_MS = 500;
const INTRODUCE = '1:7,4:9';

let world: World;
beforeEach(async () => {
  world = new World();
  await world.boot({ introduce: INTRODUCE });
});

const logic = (): DomainInfo | null => world.xen.domains.info(LOGIC);
const isAtWork = (): boolean => logic()?.running === true;
const rebuilds = (): number => world.virqHandlers.length;

describe('XenStore-Logic that has ended', () => {
  it('is built again at its domid: its label, its clients of the boot, the news of dead domains', async () => {
    world.endLogic();
    await world.xen.clock.advance(LOOK_MS);
    expect(isAtWork()).toBe(true);
    expect(world.specs.get(LOGIC)).toMatchObject({
      context: contextOf('xenstore_logic_t'),
      memoryMib: 24,
      iommu: false,
    });
    expect(world.builds.get(LOGIC)).toMatchObject({
      store: { domid: LOGIC, port: 0 },
      console: { domid: LOGIC, port: 0 },
      cmdline: expect.stringContaining(`ennead.introduce=${INTRODUCE}`),
      ramdiskPaths: ['/images/base.cpio', '/init', '/images/xenstore-logic.cpio'],
    });
    expect(world.virqHandlers).toEqual([LOGIC]);
  });

  it('is not touched while it works', async () => {
    await world.xen.clock.advance(60_000);
    expect(rebuilds()).toBe(0);
  });

  it('keeps those waiting who ask meanwhile, and no longer: what they ask is answered then', async () => {
    const toolstack = await world.toolstack();
    world.endLogic();
    const listed = toolstack.call('services.list');
    const created = toolstack.call('guest.create', guestSpec()) as Promise<GuestBuilt>;
    await world.xen.settle();
    expect(world.node(`/local/domain/${FIRST_GUEST_DOMID}`)).toBeUndefined();
    await world.xen.clock.advance(LOOK_MS);
    await expect(listed).resolves.toHaveProperty('services');
    await expect(created).resolves.toMatchObject({ domid: FIRST_GUEST_DOMID });
    expect(world.node(`/local/domain/${FIRST_GUEST_DOMID}`)).toBe('');
  });

  it('has Builder for its parent then, and a later start', async () => {
    const toolstack = await world.toolstack();
    await world.xen.clock.advance(5000);
    world.endLogic();
    await world.xen.clock.advance(LOOK_MS);
    const { records } = (await toolstack.call('trust.list')) as { records: { domid: number }[] };
    expect(records.find(({ domid }) => domid === LOGIC)).toMatchObject({ parent: BUILDER });
    expect(JSON.parse(world.node(`/ennead/trust/${LOGIC}`) ?? '')).toMatchObject({
      parent: BUILDER,
      memoryAccess: [{ by: BUILDER, what: 'all-while-building' }],
    });
    expect(world.lines.join()).toMatch(/XenStore answers again, \d+ ms after it was missed/);
  });
});

describe('a rebuild that Builder did not end', () => {
  it('is done anew by the next process: the domain is there, and paused', async () => {
    world.endLogic();
    world.onBuild = ({ domid }) => {
      if (domid === LOGIC) throw new PortError('ENOMEM', 'domainBuildPv', 'xenstore-logic');
    };
    await world.xen.clock.advance(LOOK_MS);
    expect(logic()).toMatchObject({ paused: true });
    world.onBuild = () => {};
    await world.startBuilder({ introduce: INTRODUCE });
    await world.xen.clock.advance(LOOK_MS);
    expect(isAtWork()).toBe(true);
  });

  it('and also when there is no domain any more', async () => {
    world.endLogic();
    world.xen.domains.destroy(LOGIC);
    await world.xen.clock.advance(LOOK_MS);
    expect(isAtWork()).toBe(true);
  });
});

describe('XenStore-Logic that ends again and again', () => {
  it('is built less and less often, then not any more, and Xen’s log says so', async () => {
    world.logicWorks = false;
    world.endLogic();
    const seen: number[] = [];
    for (let halfSeconds = 0; halfSeconds < 200; halfSeconds += 1) {
      await world.xen.clock.advance(LOOK_MS);
      if (rebuilds() > seen.length) seen.push(halfSeconds * LOOK_MS);
    }
    expect(seen.slice(1).map((at, index) => at - seen[index]!)).toEqual([2000, 4000, 8000, 16_000, 32_000]);
    expect(world.lines.filter((line) => line.includes('after 6 rebuilds, and stays so'))).toHaveLength(1);
    expect(isAtWork()).toBe(false);
  });

  it('is built at once, and soon again, when it was well for two minutes in between', async () => {
    const rebuiltWithin = async (ms: number): Promise<boolean> => {
      const before = rebuilds();
      await world.xen.clock.advance(ms);
      return rebuilds() > before;
    };
    const end = (): void => world.endLogic();
    end();
    expect(await rebuiltWithin(LOOK_MS)).toBe(true);
    end();
    expect(await rebuiltWithin(1500)).toBe(false);
    expect(await rebuiltWithin(LOOK_MS)).toBe(true);
    await world.xen.clock.advance(120_000);
    end();
    expect(await rebuiltWithin(LOOK_MS)).toBe(true);
    end();
    expect(await rebuiltWithin(2000)).toBe(true);
  });
});
