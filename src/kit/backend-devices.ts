/**
 * The back end devices of one class (vbd, vif) that Toolstack makes under `<home>/backend/<class>/<front end's domid>/<device id>`,
 * and their life up to the point where Linux's own back end takes over:
 *
 *   Toolstack writes the node (in one transaction, `state` 1) → Linux's driver sees it, `state` 2 (InitWait)
 *   → `connect` here, then `hotplug-status` = connected → Linux serves the ring
 *   → `state` 6 (Closed) without `online`, or the node is gone → `disconnect` here.
 *
 * What a device is or needs is the handler's business. A device that is wrong gets `hotplug-error` and touches no other.
 * How many are attached in Linux is said in the VM's home, whenever it has changed.
 * @source Linux drivers/block/xen-blkback/xenbus.c, drivers/net/xen-netback/xenbus.c; Xen tools/hotplug/Linux/xen-hotplug-common.sh
 */
import { attachedNode } from '../contracts/builder.ts';
import type { DomId, Log } from '../xen/ports.ts';
import type { XenStore } from '../xen/xenstore-port.ts';

export interface BackendDevice {
  readonly frontend: DomId;
  readonly id: number;
  /** The back end's node. */
  readonly path: string;
}

export interface BackendHandler {
  /** The nodes to write for Linux's driver, or 'later': ask again at `lookAgain`. An exception refuses the device. */
  connect(device: BackendDevice): Promise<Readonly<Record<string, string>> | 'later'>;
  /** A device that an earlier process of this VM connected. */
  adopt(device: BackendDevice): Promise<void>;
  /** Once for each device that was connected or adopted. */
  disconnect(device: BackendDevice): void;
  /** How many Linux has, whoever attached them. */
  attached(): number;
}

export interface BackendDevicesOptions {
  readonly store: XenStore;
  readonly domid: DomId;
  readonly class: 'vbd' | 'vif';
  readonly log: Log;
  readonly devicesMax: number;
}

type Phase = 'waiting' | 'connected' | 'refused' | 'closed';

/** XenbusState. @source xen/include/public/io/xenbus.h */
const INIT_WAIT = '2';
const CLOSED = '6';
const LAST_DOMID = 0x7fef;
/** Virtual device numbers of vbds have 29 bits at most. @source docs/man/xen-vbd-interface.7 */
const DEVICE_ID_MAX = 2 ** 29 - 1;
/** hotplug-error is read by people; XenStore takes 4 KiB. */
const ERROR_LENGTH_MAX = 500;

export class BackendDevices {
  private readonly root: string;
  private readonly phases = new Map<string, { readonly device: BackendDevice; phase: Phase }>();
  private readonly frontendsToVisit = new Set<DomId>();
  private rootToVisit = false;
  private visits: Promise<void> = Promise.resolve();
  private saidAttached: number | null = null;
  private unwatch: (() => Promise<void>) | null = null;
  private stopped = false;

  constructor(
    private readonly options: BackendDevicesOptions,
    private readonly handler: BackendHandler,
  ) {
    this.root = `/local/domain/${options.domid}/backend/${options.class}`;
  }

  /** Resolves when every device that is already there has been visited. */
  async start(): Promise<void> {
    this.unwatch = await this.options.store.watch(this.root, (changed) => this.onChange(changed));
    this.rootToVisit = true;
    await this.visit();
  }

  /** Something outside XenStore changed: a device may have waited for it, or have left Linux at last. */
  lookAgain(): void {
    for (const { device, phase } of this.phases.values())
      if (phase === 'waiting') this.frontendsToVisit.add(device.frontend);
    void this.visit();
  }

  /** Ends the watch and disconnects every device. */
  async stop(): Promise<void> {
    this.stopped = true;
    await this.unwatch?.();
    await this.visits;
    for (const { device } of [...this.phases.values()]) this.forget(device);
  }

  /** Only what can matter here: a node came or went, or its `state` or `online` changed. Linux's driver writes a dozen others. */
  private onChange(changed: string): void {
    const [frontend, id, leaf, ...deeper] = changed.slice(this.root.length + 1).split('/');
    if (deeper.length > 0 || (leaf !== undefined && leaf !== 'state' && leaf !== 'online')) return;
    if (!frontend) this.rootToVisit = true;
    else {
      const domid = numberUpTo(frontend, LAST_DOMID);
      if (domid === null || (id !== undefined && numberUpTo(id, DEVICE_ID_MAX) === null)) return;
      this.frontendsToVisit.add(domid);
    }
    void this.visit();
  }

  /** One visit at a time; changes that come meanwhile are visited after it. */
  private visit(): Promise<void> {
    this.visits = this.visits
      .then(() => this.visitAll())
      .then(() => this.sayAttached())
      .catch((error: unknown) => this.options.log(`${this.root}: ${String(error)}`));
    return this.visits;
  }

  private async visitAll(): Promise<void> {
    while (!this.stopped) {
      if (this.rootToVisit) {
        this.rootToVisit = false;
        for (const { device } of this.phases.values()) this.frontendsToVisit.add(device.frontend);
        for (const domid of numbers(await this.options.store.list(this.root), LAST_DOMID))
          this.frontendsToVisit.add(domid);
      }
      const [frontend] = this.frontendsToVisit;
      if (frontend === undefined) return;
      this.frontendsToVisit.delete(frontend);
      await this.visitFrontend(frontend);
    }
  }

  private async sayAttached(): Promise<void> {
    const count = this.handler.attached();
    if (this.stopped || count === this.saidAttached) return;
    await this.options.store.write(attachedNode(this.options.domid), String(count));
    this.saidAttached = count;
  }

  private async visitFrontend(frontend: DomId): Promise<void> {
    const parent = `${this.root}/${frontend}`;
    const ids = numbers(await this.options.store.list(parent), DEVICE_ID_MAX);
    const present = new Set(ids.map((id) => `${parent}/${id}`));
    for (const { device } of [...this.phases.values()])
      if (device.frontend === frontend && !present.has(device.path)) this.forget(device);
    for (const id of ids) {
      const device = { frontend, id, path: `${parent}/${id}` };
      await this.visitDevice(device).catch((error: unknown) => this.refuse(device, error));
    }
  }

  private async visitDevice(device: BackendDevice): Promise<void> {
    const entry = this.phases.get(device.path) ?? (await this.meet(device));
    const state = await this.options.store.read(`${device.path}/state`);
    if (entry.phase === 'connected' && state === CLOSED) {
      if ((await this.options.store.read(`${device.path}/online`)) === '1') return;
      entry.phase = 'closed';
      this.handler.disconnect(device);
    } else if (entry.phase === 'waiting' && state === INIT_WAIT) await this.connect(device, entry);
  }

  private async meet(device: BackendDevice): Promise<{ phase: Phase }> {
    const entry: { device: BackendDevice; phase: Phase } = { device, phase: 'refused' };
    if (this.phases.size >= this.options.devicesMax) throw new Error(`more than ${this.options.devicesMax} devices`);
    this.phases.set(device.path, entry);
    const status = await this.options.store.read(`${device.path}/hotplug-status`);
    if (status === 'connected') {
      await this.handler.adopt(device);
      entry.phase = 'connected';
    } else if (status !== 'error') entry.phase = 'waiting';
    return entry;
  }

  private async connect(device: BackendDevice, entry: { phase: Phase }): Promise<void> {
    await this.requireOwnFrontend(device);
    const nodes = await this.handler.connect(device);
    if (nodes === 'later') return;
    entry.phase = 'connected';
    if (!(await this.writeWherePresent(device, { ...nodes, 'hotplug-status': 'connected' }))) this.forget(device);
  }

  /** Linux serves whom `frontend-id` and `frontend` name: they must be whom the node's place says. */
  private async requireOwnFrontend(device: BackendDevice): Promise<void> {
    const frontend = `/local/domain/${device.frontend}/device/${this.options.class}/${device.id}`;
    for (const [node, expected] of [
      ['frontend-id', String(device.frontend)],
      ['frontend', frontend],
    ] as const)
      if ((await this.options.store.read(`${device.path}/${node}`)) !== expected)
        throw new Error(`${node} is not ${expected}`);
  }

  private async refuse(device: BackendDevice, error: unknown): Promise<void> {
    const why = (error instanceof Error ? error.message : String(error)).slice(0, ERROR_LENGTH_MAX);
    this.options.log(`${this.options.class} ${device.frontend}/${device.id}: ${why}`);
    const entry = this.phases.get(device.path);
    if (entry?.phase === 'connected') this.handler.disconnect(device);
    if (entry) entry.phase = 'refused';
    await this.writeWherePresent(device, { 'hotplug-error': why, 'hotplug-status': 'error' }).catch(
      (failure: unknown) => this.options.log(`${device.path}: ${String(failure)}`),
    );
  }

  private forget(device: BackendDevice): void {
    const phase = this.phases.get(device.path)?.phase;
    this.phases.delete(device.path);
    if (phase === 'connected') this.handler.disconnect(device);
  }

  /** A plain write would bring back a node that Toolstack has removed meanwhile. */
  private writeWherePresent(device: BackendDevice, nodes: Readonly<Record<string, string>>): Promise<boolean> {
    return this.options.store.transaction(async (store) => {
      if ((await store.read(`${device.path}/state`)) === null) return false;
      for (const [node, value] of Object.entries(nodes)) await store.write(`${device.path}/${node}`, value);
      return true;
    });
  }
}

const numbers = (names: readonly string[] | null, max: number): number[] =>
  (names ?? []).map((name) => numberUpTo(name, max)).filter((number) => number !== null);

/** A decimal without leading zeros, as Xen's tools write it. */
function numberUpTo(text: string, max: number): number | null {
  return /^(0|[1-9]\d{0,9})$/.test(text) && Number(text) <= max ? Number(text) : null;
}
