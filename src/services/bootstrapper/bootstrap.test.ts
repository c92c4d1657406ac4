import { expect, test } from 'vitest';
import { type DomainControl, type DomainSpec, PortError, type PvBuild } from '../../xen/ports.ts';
import { bootstrap } from './bootstrap.ts';

/** Xen's side of the boot: refuses what Xen refuses in this order of things, and writes down what happens. */
class BootingXen {
  readonly events: string[] = [];
  readonly created = new Map<number, DomainSpec>();
  readonly built = new Map<number, PvBuild>();
  private lastPort = 0;

  readonly control: DomainControl = {
    list: () => [],
    info: () => null,
    create: (spec) => {
      if (spec.iommu && !this.iommu) throw new PortError('EINVAL', 'create', 'no IOMMU');
      if (this.created.has(spec.domid)) throw new PortError('EEXIST', 'create', String(spec.domid));
      this.created.set(spec.domid, spec);
      this.events.push(`create ${spec.domid}`);
      return spec.domid;
    },
    build: (build) => {
      if (this.built.size === this.failingBuild) throw new PortError('ENOMEM', 'build', String(build.domid));
      this.built.set(build.domid, build);
      this.events.push(`build ${build.domid}`);
      return { storeGfn: 1, consoleGfn: 2 };
    },
    unpause: (domid) => {
      if (!this.built.has(domid)) throw new PortError('EINVAL', 'unpause', `domain ${domid} has nothing to run`);
      this.events.push(`unpause ${domid}`);
    },
    allocEventChannel: (domid, remote) => {
      // FLASK wants both ends to exist: it looks up the label of the remote domain.
      for (const end of [domid, remote]) if (!this.created.has(end)) throw new PortError('ESRCH', 'alloc', String(end));
      this.lastPort += 1;
      this.events.push(`channel ${domid}→${remote} port ${this.lastPort}`);
      return this.lastPort;
    },
    setVirqHandler: (domid, virq) => void this.events.push(`virq ${virq} to ${domid}`),
    buildPvh: () => ({ storeGfn: 0, consoleGfn: 0 }),
    buildHvm: () => ({ storeGfn: 0, consoleGfn: 0 }),
    setTarget: () => {},
    destroy: () => {},
    pause: () => {},
    shutdown: () => {},
    pressPowerButton: () => {},
    relabel: () => {},
    contextOf: () => null,
  };

  constructor(
    private readonly iommu = true,
    private readonly failingBuild = Number.POSITIVE_INFINITY,
  ) {}
}

function boot(xen: BootingXen, { iommu = true, hostArchive = true, own = {} } = {}): void {
  bootstrap(
    {
      domains: xen.control,
      host: { physical: () => ({ cpus: 2, totalKib: 0, freeKib: 0, cpuKhz: 0, hvm: true, iommu }) },
      files: {
        stat: (path) =>
          hostArchive && path === '/images/builder-host.cpio'
            ? { kind: 'file', size: 512, allocated: 512, major: 0, minor: 0 }
            : null,
      },
      log: () => {},
    },
    own,
  );
}

test('each VM runs while the next is loaded, and Builder starts when nothing is left to do', () => {
  const xen = new BootingXen();
  boot(xen);
  const steps = xen.events.filter((event) => /^(build|unpause)/.test(event));
  expect(steps.join(', ')).toBe('build 1, unpause 1, build 2, unpause 2, build 4, build 3, unpause 3, unpause 4');
  expect(xen.events.at(-1)).toBe('unpause 4');
});

test("XenStore-Logic finds its first clients' pages granted when it starts", () => {
  const xen = new BootingXen();
  boot(xen);
  for (const client of [1, 4])
    expect(xen.events.indexOf(`build ${client}`)).toBeLessThan(xen.events.indexOf('unpause 3'));
});

test('XenStore-Logic is the receiver of VIRQ_DOM_EXC before any of the four runs', () => {
  const xen = new BootingXen();
  boot(xen);
  expect(xen.events.indexOf('virq 3 to 3')).toBeGreaterThan(-1);
  expect(xen.events.indexOf('virq 3 to 3')).toBeLessThan(xen.events.findIndex((event) => event.startsWith('unpause')));
});

test('XenStore-Logic is told the ports that PCIBack and Builder really have', () => {
  const xen = new BootingXen();
  boot(xen);
  const pciback = xen.built.get(1)?.store;
  const builder = xen.built.get(4)?.store;
  expect(pciback?.domid).toBe(3);
  expect(builder?.domid).toBe(3);
  expect(xen.built.get(3)?.cmdline).toContain(`ennead.introduce=1:${pciback?.port},4:${builder?.port}`);
});

test('XenStore-State learns the frame of its page, and neither half of XenStore waits for a XenStore', () => {
  const xen = new BootingXen();
  boot(xen);
  expect(xen.built.get(2)?.store).toEqual({ domid: 3, port: 0, pageParameter: 'ennead.store-page' });
  expect(xen.built.get(3)?.store.port).toBe(0);
});

test('only PCIBack is the hardware domain, and every VM has its own label', () => {
  const xen = new BootingXen();
  boot(xen);
  expect([...xen.built.values()].filter((build) => build.hardwareDomain).map((build) => build.domid)).toEqual([1]);
  expect([...xen.created.values()].map((spec) => spec.context)).toEqual([
    'system_u:system_r:pciback_t',
    'system_u:system_r:xenstore_state_t',
    'system_u:system_r:builder_t',
    'system_u:system_r:xenstore_logic_t',
  ]);
});

test('no console page is granted to another domain', () => {
  const xen = new BootingXen();
  boot(xen);
  for (const build of xen.built.values()) expect(build.console).toEqual({ domid: build.domid, port: 0 });
});

test('only PCIBack is created for the IOMMU, and nobody where there is none', () => {
  const withIommu = new BootingXen();
  boot(withIommu);
  expect([...withIommu.created.values()].filter((spec) => spec.iommu).map((spec) => spec.domid)).toEqual([1]);
  const without = new BootingXen(false);
  boot(without, { iommu: false });
  expect(without.built.size).toBe(4);
});

test("Builder gets the host's archive where there is one, and the operator's parameters", () => {
  const xen = new BootingXen();
  boot(xen, { own: { 'toolstack-ip': '192.0.2.5:192.0.2.1:255.255.255.0' } });
  expect(xen.built.get(4)?.ramdiskPaths).toEqual([
    '/images/base.cpio',
    '/init',
    '/images/builder.cpio',
    '/images/core.elf',
    '/images/builder-host.cpio',
  ]);
  expect(xen.built.get(4)?.cmdline).toContain('ennead.toolstack-ip=192.0.2.5:192.0.2.1:255.255.255.0');
  const bare = new BootingXen();
  boot(bare, { hostArchive: false });
  expect(bare.built.get(4)?.ramdiskPaths).toEqual([
    '/images/base.cpio',
    '/init',
    '/images/builder.cpio',
    '/images/core.elf',
  ]);
});

test('a failure leaves Builder asleep, so that nobody takes the boot for finished', () => {
  const xen = new BootingXen(true, 2);
  expect(() => boot(xen)).toThrow('ENOMEM');
  expect(xen.events).not.toContain('unpause 4');
});
