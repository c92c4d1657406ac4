/**
 * Gives the volumes to Linux's block back end: a loop device for each vbd. What is attached is known from XenStore and from
 * sysfs, so that a process that starts again finds its attachments.
 */
import { SHARED_WITH } from '../../contracts/volumes.ts';
import type { BackendDevice, BackendHandler } from '../../kit/backend-devices.ts';
import type { DomId, Files, Log, LoopDevices } from '../../xen/ports.ts';
import type { XenStoreReader } from '../../xen/xenstore-port.ts';
import type { VolumeStore } from './volume-store.ts';

export interface VbdPorts {
  readonly store: XenStoreReader;
  readonly files: Files;
  readonly loopDevices: LoopDevices;
  readonly log: Log;
}

interface Request {
  readonly volume: string;
  readonly writable: boolean;
  /** The front end beside which this one may write: they are one guest's, emulated disk and paravirtual one. null: none. */
  readonly sharedWith: DomId | null;
}

interface Attachment extends Request {
  readonly frontend: DomId;
  readonly loopPath: string;
}

const SYSFS_BYTES_MAX = 4096;

/** Each names the other. */
const isOfOneGuest = (one: Omit<Attachment, 'loopPath'>, other: Omit<Attachment, 'loopPath'>): boolean =>
  one.sharedWith === other.frontend && other.sharedWith === one.frontend;

export class VbdBackends implements BackendHandler {
  private readonly attachments = new Map<string, Attachment>();

  constructor(
    private readonly ports: VbdPorts,
    private readonly volumes: VolumeStore,
  ) {}

  async connect(device: BackendDevice): Promise<Readonly<Record<string, string>> | 'later'> {
    const request = await this.request(device);
    const { volume, writable } = request;
    if (!this.volumes.find(volume)) throw new Error(`there is no volume ${volume}`);
    const rival = this.attachedTo(volume).find(
      (other) => (writable || other.writable) && !isOfOneGuest(other, { ...request, frontend: device.frontend }),
    );
    if (rival) throw new Error(`volume ${volume} is in use by domain ${rival.frontend}`);
    if (writable && this.lingers(volume)) return 'later';
    const loop = this.ports.loopDevices.attach(this.volumes.pathOf(volume), !writable);
    this.attachments.set(device.path, { ...request, frontend: device.frontend, loopPath: loop.path });
    return { 'physical-device': `${loop.major.toString(16)}:${loop.minor.toString(16)}` };
  }

  async adopt(device: BackendDevice): Promise<void> {
    const request = await this.request(device);
    const { volume } = request;
    const number = /^[0-9a-f]+:([0-9a-f]+)$/.exec((await this.read(device, 'physical-device')) ?? '')?.[1];
    const loopPath = `/dev/loop${Number.parseInt(number ?? '', 16)}`;
    if (this.boundFiles().get(loopPath) !== this.volumes.pathOf(volume))
      throw new Error(`physical-device is not volume ${volume}`);
    this.attachments.set(device.path, { ...request, frontend: device.frontend, loopPath });
  }

  /** Where Linux's back end still holds the loop device, Linux detaches it when that lets go. */
  disconnect(device: BackendDevice): void {
    const attachment = this.attachments.get(device.path);
    if (!attachment) return;
    this.attachments.delete(device.path);
    this.detach(attachment.loopPath);
  }

  attached(): number {
    return this.boundFiles().size;
  }

  /** Ends attachments of an earlier process whose vbd went while nobody looked. */
  detachStrays(): void {
    const used = new Set([...this.attachments.values()].map((attachment) => attachment.loopPath));
    for (const loopPath of this.boundFiles().keys()) if (!used.has(loopPath)) this.detach(loopPath);
  }

  frontendsOf(volume: string): DomId[] {
    return [...new Set(this.attachedTo(volume).map((attachment) => attachment.frontend))];
  }

  inUse(volume: string): boolean {
    return this.attachedTo(volume).length > 0 || this.lingers(volume);
  }

  private attachedTo(volume: string): Attachment[] {
    return [...this.attachments.values()].filter((attachment) => attachment.volume === volume);
  }

  /** A front end is gone, but Linux's back end has not let go of its loop device: writes may still be on their way. */
  private lingers(volume: string): boolean {
    const used = new Set(this.attachedTo(volume).map((attachment) => attachment.loopPath));
    const path = this.volumes.pathOf(volume);
    return [...this.boundFiles()].some(([loopPath, file]) => file === path && !used.has(loopPath));
  }

  private async request(device: BackendDevice): Promise<Request> {
    const volume = await this.read(device, 'params');
    const mode = await this.read(device, 'mode');
    if (volume === null) throw new Error('params names no volume');
    if (mode !== 'r' && mode !== 'w') throw new Error(`mode is ${JSON.stringify(mode)}, not r or w`);
    const other = await this.read(device, SHARED_WITH);
    if (other !== null && !/^\d{1,5}$/.test(other))
      throw new Error(`${SHARED_WITH} is ${JSON.stringify(other)}, no domid`);
    return { volume, writable: mode === 'w', sharedWith: other === null ? null : Number(other) };
  }

  private read(device: BackendDevice, node: string): Promise<string | null> {
    return this.ports.store.read(`${device.path}/${node}`);
  }

  /** Loop devices that hold a file, as sysfs says. */
  private boundFiles(): Map<string, string> {
    const { files } = this.ports;
    const bound = new Map<string, string>();
    for (const name of files.list('/sys/block')) {
      const node = `/sys/block/${name}/loop/backing_file`;
      if (/^loop\d+$/.test(name) && files.stat(node))
        bound.set(`/dev/${name}`, new TextDecoder().decode(files.read(node, SYSFS_BYTES_MAX)).trimEnd());
    }
    return bound;
  }

  private detach(loopPath: string): void {
    try {
      this.ports.loopDevices.detach(loopPath);
    } catch (error) {
      this.ports.log(`${loopPath}: ${String(error)}`);
    }
  }
}
