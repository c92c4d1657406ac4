/** For tests: BlkBack and NetBack as XenStore shows them, Linux's blkfront in Toolstack's own VM, and volumes in memory. */
import { TOOLSTACK_DOMID } from '../../../contracts/domids.ts';
import {
  type Volume,
  type VolumeAnswer,
  type VolumeRequest,
  volumeAnswerDirectory,
  volumeRequestDirectory,
} from '../../../contracts/volumes.ts';
import type { DomId } from '../../../xen/ports.ts';
import type { XenStore } from '../../../xen/xenstore-port.ts';
import type { BlockDevice, BlockDevices } from '../own-disks.ts';

export const STORAGE = 6;
export const NETWORK = 7;
export const TOOLSTACK = TOOLSTACK_DOMID;

const ROOTS = { vbd: `/local/domain/${STORAGE}/backend/vbd`, vif: `/local/domain/${NETWORK}/backend/vif` } as const;
const OWN_DISKS = `${ROOTS.vbd}/${TOOLSTACK}`;
const OWN_DEVICES = `/local/domain/${TOOLSTACK}/device`;

export class FakeBackEnds {
  readonly volumes = new Map<string, Uint8Array>();
  freeBytes = 1 << 30;
  /** Why the next devices are refused. */
  refusal: string | null = null;
  /** Dead driver VMs: they answer nothing. */
  silent = false;
  /** Writes that reach this byte fail, as on a disk that fills up under a sparse file. */
  writesFailFrom = Number.POSITIVE_INFINITY;
  readonly openDevices = new Set<string>();
  /** The front ends that Toolstack's Linux knows: it probes a device once, until it has seen it go. */
  private readonly ownFrontEnds = new Set<string>();

  /** Each VM's own connection; Toolstack's is that of its Linux. */
  constructor(
    private readonly storage: XenStore,
    private readonly network: XenStore,
    private readonly toolstack: XenStore,
  ) {}

  async start(): Promise<void> {
    await this.storage.watch(ROOTS.vbd, (changed) => void this.onBackend(this.storage, ROOTS.vbd, changed));
    await this.network.watch(ROOTS.vif, (changed) => void this.onBackend(this.network, ROOTS.vif, changed));
    await this.storage.watch(volumeRequestDirectory(STORAGE), (changed) => void this.onRequest(changed));
    await this.toolstack.watch(OWN_DEVICES, (changed) => void this.onOwnDevice(changed));
  }

  /** What Linux's back ends say when a guest has given them the rings of its devices of this kind. */
  async connect(frontend: DomId, kind: 'vbd' | 'vif'): Promise<void> {
    const store = kind === 'vbd' ? this.storage : this.network;
    const devices = `${ROOTS[kind]}/${frontend}`;
    for (const id of (await store.list(devices)) ?? []) await store.write(`${devices}/${id}/state`, '4');
  }

  /** What Linux makes of the volume that is plugged into Toolstack as `name`. */
  blockDevicesOf(dump: () => Record<string, string>): BlockDevices {
    return {
      open: (name) => {
        const nodes = dump();
        const dev = Object.keys(nodes).find(
          (path) => path.startsWith(OWN_DISKS) && path.endsWith('/dev') && nodes[path] === name,
        );
        const data = dev && this.volumes.get(nodes[dev.replace(/dev$/, 'params')]!);
        return data ? this.device(name, data) : null;
      },
    };
  }

  /** The states through which a device goes, on both ends where Toolstack is the front end. */
  private async onBackend(store: XenStore, root: string, changed: string): Promise<void> {
    const match = /^\/(\d+)\/\d+\/state$/.exec(changed.slice(root.length));
    if (!match || this.silent) return;
    const back = changed.slice(0, -'/state'.length);
    const state = await store.read(changed);
    if (state === '1') await this.take(store, back, Number(match[1]));
    if (state === '5') await store.write(changed, '6');
  }

  private async take(store: XenStore, back: string, frontend: number): Promise<void> {
    await store.write(`${back}/state`, '2');
    await store.write(`${back}/feature-made-by-the-driver`, '1');
    const params = await store.read(`${back}/params`);
    const missing = params !== null && !this.volumes.has(params) ? 'no such volume' : null;
    const refusal = this.refusal ?? missing;
    if (refusal !== null) await store.write(`${back}/hotplug-error`, refusal);
    await store.write(`${back}/hotplug-status`, refusal === null ? 'connected' : 'error');
    const front = await store.read(`${back}/frontend`);
    if (frontend !== TOOLSTACK || refusal !== null || front === null || this.ownFrontEnds.has(front)) return;
    this.ownFrontEnds.add(front);
    await this.toolstack.write(`${front}/state`, '4');
  }

  /** Toolstack's Linux takes a device away when it goes by its own name, or by something in it; it overlooks a folder that goes. */
  private async onOwnDevice(changed: string): Promise<void> {
    const [front] = /^\/local\/domain\/\d+\/device\/[a-z]+\/\d+/.exec(changed) ?? [];
    if (front !== undefined && (await this.toolstack.read(front)) === null) this.ownFrontEnds.delete(front);
  }

  private async onRequest(changed: string): Promise<void> {
    const id = changed.slice(volumeRequestDirectory(STORAGE).length + 1);
    const text = id === '' || this.silent ? null : await this.storage.read(changed);
    if (text === null) return;
    await this.storage.remove(changed);
    await this.storage.write(`${volumeAnswerDirectory(STORAGE)}/${id}`, JSON.stringify(this.answer(JSON.parse(text))));
  }

  private answer(request: VolumeRequest): VolumeAnswer {
    switch (request.op) {
      case 'create':
        if (this.volumes.has(request.name)) return refuse('exists', `volume ${request.name} exists`);
        if (request.bytes > this.freeBytes) return refuse('full', `only ${this.freeBytes} bytes are free`);
        this.volumes.set(request.name, new Uint8Array(request.bytes));
        return { ok: true, volumes: [this.describe(request.name)], more: false, freeBytes: this.freeBytes };
      case 'delete':
        if (!this.volumes.delete(request.name)) return refuse('missing', `no volume ${request.name}`);
        return { ok: true, volumes: [], more: false, freeBytes: this.freeBytes };
      case 'list': {
        // One volume to a page: whoever asks must ask again.
        const names = [...this.volumes.keys()].sort().filter((name) => name > (request.after ?? ''));
        const volumes = names.slice(0, 1).map((name) => this.describe(name));
        return { ok: true, volumes, more: names.length > 1, freeBytes: this.freeBytes };
      }
    }
  }

  private describe(name: string): Volume {
    const bytes = this.volumes.get(name)!.length;
    return { name, bytes, allocatedBytes: bytes, attachedTo: [] };
  }

  private device(name: string, data: Uint8Array): BlockDevice {
    this.openDevices.add(name);
    return {
      bytes: data.length,
      readAt: (offset, length) => data.slice(offset, offset + length),
      writeAt: (offset, bytes) => {
        if (offset + bytes.length > this.writesFailFrom)
          throw Object.assign(new Error('no space left'), { code: 'ENOSPC' });
        data.set(bytes, offset);
      },
      flush: () => {},
      close: () => void this.openDevices.delete(name),
    };
  }
}

const refuse = (code: 'exists' | 'missing' | 'full', message: string): VolumeAnswer => ({ ok: false, code, message });
