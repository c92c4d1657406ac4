/** Builds every image of a virtual host, or takes it from the cache. */
import { join } from 'node:path';
import type { ServiceName } from '../kit/manifest.ts';
import { writeBillOfMaterials } from './bill-of-materials.ts';
import { Execution } from './execution.ts';
import { initramfs, steps } from './graph.ts';
import { interruptible } from './interruption.ts';
import { acquireLock } from './lock.ts';
import {
  COMPILER_PACKAGES,
  ensurePackages,
  HOST_PACKAGES,
  PACKAGES_TASK,
  TEST_PACKAGES,
  type Toolbox,
} from './packages.ts';
import { createProgress, type Progress, seconds } from './progress.ts';
import type { Artifact, Step } from './step.ts';
import { exampleDisk, hostDisk } from './steps/disk.ts';
import { exampleGuest } from './steps/guest.ts';
import { type KernelName, kernels } from './steps/kernel.ts';
import { policy } from './steps/policy.ts';
import { xen } from './steps/xen.ts';
import { defaultCacheDir, Store } from './store.ts';

export interface BuildOptions {
  readonly cacheDir?: string;
  /** Ask Debian's archive for newer sources. Without it a source once fetched stays. */
  readonly refresh?: boolean;
  /** Keep compilers' build trees for the next build: quicker to change a kernel, 1 GiB of disk. */
  readonly keepWork?: boolean;
  /** Install what only the tests use, too. */
  readonly tests?: boolean;
  readonly progress?: Progress;
}

/** Absolute paths. */
export interface ImageSet {
  /** 32-bit ELF, for a Multiboot loader. */
  readonly xen: string;
  readonly kernels: Readonly<Record<KernelName, string>>;
  /** Domain 0's initramfs; the archives and kernels of all other service VMs are inside. */
  readonly bootstrapperInitrd: string;
  readonly policy: string;
  /** Sparse; copied for each virtual host. */
  readonly hostDisk: string;
  /** The same with the example guest's disk as a volume. */
  readonly exampleDisk: string;
  /** The example guest's root disk; copied for each guest. */
  readonly guestDisk: string;
  readonly initramfs: Readonly<Partial<Record<ServiceName, string>>>;
  readonly artifacts: readonly Artifact[];
  readonly billOfMaterials: string;
  /** True when nothing had to be built. */
  readonly allCached: boolean;
}

/** Old artifacts of a step that stay in the cache, so that switching branches does not rebuild. */
const KEPT_VERSIONS = 3;

export async function buildImages(options: BuildOptions = {}): Promise<ImageSet> {
  const { made, store } = await buildSteps(steps, options);
  const file = (step: Step, name: string): string => made.get(step)!.path(name);
  const artifacts = [...made.values()];
  return {
    xen: file(xen, 'xen.elf'),
    kernels: {
      core: file(kernels.core, 'core.elf'),
      pci: file(kernels.pci, 'pci.elf'),
      driver: file(kernels.driver, 'driver.elf'),
    },
    bootstrapperInitrd: file(initramfs.get('bootstrapper')!, 'bootstrapper.cpio'),
    policy: file(policy, 'xenpolicy.bin'),
    hostDisk: file(hostDisk, 'host-disk.raw'),
    exampleDisk: file(exampleDisk, 'example-disk.raw'),
    guestDisk: file(exampleGuest, 'guest.raw'),
    initramfs: Object.fromEntries([...initramfs].map(([name, step]) => [name, file(step, `${name}.cpio`)])),
    artifacts,
    billOfMaterials: await writeBillOfMaterials(join(store.root, 'ennead.cdx.json'), artifacts),
    allCached: artifacts.every((artifact) => artifact.cached),
  };
}

/** Builds some steps and what they need. Used by the command line; hosts want `buildImages`. */
export function buildSteps(
  wanted: readonly Step[],
  options: BuildOptions,
): Promise<{ made: ReadonlyMap<Step, Artifact>; store: Store }> {
  return withCache(options, async (store, progress) => {
    const startedMs = performance.now();
    const toolbox = await toolboxFor(wanted, options, store, progress);
    const execution = new Execution({ store, toolbox, progress, refresh: options.refresh ?? false });
    const made = await makeAll(execution, wanted);
    await store.prune(KEPT_VERSIONS);
    if (!options.keepWork) await store.clearWork();
    const built = (await execution.everything()).filter((artifact) => !artifact.cached).length;
    const summary = built === 0 ? 'nothing to build: everything is cached' : `${built} built`;
    progress.note(`images: ${summary} (${seconds(performance.now() - startedMs)}), in ${store.root}`);
    return { made, store };
  });
}

/** Installs the Debian packages that building the images and running a host take, and builds nothing. */
export async function installPackages(options: BuildOptions = {}): Promise<void> {
  await withCache(options, (store, progress) => toolboxFor(steps, options, store, progress));
}

/** Runs `work` with the cache to itself. */
async function withCache<T>(options: BuildOptions, work: (store: Store, progress: Progress) => Promise<T>): Promise<T> {
  const store = new Store(options.cacheDir ?? defaultCacheDir());
  const progress = options.progress ?? createProgress();
  await store.createFolders();
  const lock = await acquireLock(join(store.root, 'lock'), () => progress.note('waiting for another build to finish'));
  try {
    await store.clearScratch();
    return await work(store, progress);
  } finally {
    progress.end();
    await store.clearScratch();
    await lock.release();
  }
}

function toolboxFor(
  wanted: readonly Step[],
  { tests }: BuildOptions,
  store: Store,
  progress: Progress,
): Promise<Toolbox> {
  const names = [
    ...HOST_PACKAGES,
    ...COMPILER_PACKAGES,
    ...(tests ? TEST_PACKAGES : []),
    ...allNeeds(wanted).flatMap((step) => step.packages),
  ];
  return ensurePackages(names, store.logPath(PACKAGES_TASK), progress);
}

/** With `wanted` themselves. */
export function allNeeds(wanted: readonly Step[]): Step[] {
  const found = new Set<Step>();
  const visit = (step: Step): void => {
    if (found.has(step)) return;
    found.add(step);
    step.needs.forEach(visit);
  };
  wanted.forEach(visit);
  return [...found];
}

/** Ctrl+C kills the compilers too: they are in process groups of their own. */
function makeAll(execution: Execution, wanted: readonly Step[]): Promise<ReadonlyMap<Step, Artifact>> {
  return interruptible((signal) => {
    signal.addEventListener('abort', () => execution.abort(signal.reason as Error));
    return execution.makeAll(wanted);
  });
}
