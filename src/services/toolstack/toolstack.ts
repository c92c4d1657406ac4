/** Toolstack without its surroundings: what operators' sessions act on. main.ts gives it the real ports, tests simulated ones. */
import { DRIVER_SETTLES_MS, isSettled, stateNode } from '../../contracts/builder.ts';
import { QEMU_VOLUME } from '../../contracts/qemu-volume.ts';
import type { GuestConfig } from '../../contracts/toolstack.ts';
import { RpcError } from '../../kit/rpc.ts';
import { countStart } from '../../kit/starts.ts';
import type { ByteStream, HostInfo } from '../../xen/ports.ts';
import { vdevNumber } from './device-numbers.ts';
import { platformProblem } from './emulated-machine.ts';
import type { GuestPorts } from './guest-domain.ts';
import { Guests } from './guests.ts';
import { OF_QEMU, type UsedVolume, volumesOf } from './media.ts';
import { type BlockDevices, OwnDisks } from './own-disks.ts';
import { Volumes } from './volumes.ts';

export interface ToolstackPorts extends GuestPorts {
  readonly host: HostInfo;
  readonly blockDevices: BlockDevices;
  /** Of the service VMs' kernel. */
  readonly linuxVersion: string;
}

const SESSION_BYTES = 6;

export class Toolstack {
  readonly guests: Guests;
  readonly volumes: Volumes;
  readonly ownDisks: OwnDisks;
  /** The operators' sessions that show one. */
  readonly screens = new Set<ByteStream>();

  constructor(readonly ports: ToolstackPorts) {
    const session = Array.from(ports.random(SESSION_BYTES), (byte) => byte.toString(16).padStart(2, '0')).join('');
    this.guests = new Guests(ports);
    this.volumes = new Volumes(ports.xenstore, ports.builder, session);
    this.ownDisks = new OwnDisks(ports);
  }

  /** Goes on where an earlier process of this VM has ended. */
  async start(): Promise<void> {
    const { xenstore, ownDomid, log } = this.ports;
    void countStart(xenstore, ownDomid, log);
    await this.guests.start();
    const storage = (await this.ports.builder.drivers()).find(({ kind, ready }) => kind === 'storage' && ready);
    if (storage) await this.ownDisks.releaseLeftOver(storage.domid);
  }

  /** Resolves when every driver VM serves or has failed: an operator who is told that the host is up can use all of it. */
  async driversSettled(): Promise<void> {
    const { builder, xenstore, log } = this.ports;
    const drivers = await builder.drivers();
    await Promise.all(
      drivers.map(({ domid }) =>
        xenstore
          .waitFor(stateNode(domid), (state) => (isSettled(state) ? state : undefined), DRIVER_SETTLES_MS)
          .catch((error: unknown) => log(`driver VM ${domid}: ${String(error)}`)),
      ),
    );
  }

  async createGuest(config: GuestConfig): Promise<{ name: string; domid: number }> {
    await this.checkDisks(config);
    return this.guests.create(config);
  }

  /** Deleting a volume under a running guest would be BlkBack's refusal too; here it can name the guest. */
  async deleteVolume(name: string): Promise<void> {
    const user = this.guests.volumeUser(name, 'w');
    if (user !== null) throw new RpcError('volume-busy', `volume ${name} is in use by guest ${user}`);
    await this.volumes.delete(name);
  }

  async shutDownHost(): Promise<void> {
    await this.guests.shutDownAll();
    await this.ports.builder.shutdownHost();
  }

  async changeMedium(guest: string | number, vdev: string, volume: string | null): Promise<void> {
    if (volume !== null) {
      this.checkUse({ vdev, volume, access: 'r' }, this.guests.find(guest).name);
      await this.volumes.find(volume);
    }
    await this.guests.changeMedium(guest, vdev, volume);
  }

  private async checkDisks(config: GuestConfig): Promise<void> {
    const numbers = namesOf(config).map((vdev) => ({ vdev, number: vdevNumber(vdev) }));
    numbers.forEach(({ vdev, number }, index) => {
      if (number === null || numbers.findIndex((other) => other.number === number) !== index)
        throw new RpcError('bad-config', `disk ${vdev}: no such virtual disk, or named twice`);
    });
    if (config.boot.type === 'hvm' && config.disks.length + config.vifs.length > 0)
      throw new RpcError('bad-config', `guest ${config.name}: a guest of type hvm has emulated drives and cards alone`);
    const problem = config.boot.type === 'hvm' ? platformProblem(config.boot.machine) : null;
    if (problem !== null) throw new RpcError('bad-config', `guest ${config.name}: ${problem}`);
    const used = volumesOf(config);
    for (const use of used) if (use.vdev !== OF_QEMU) this.checkUse(use, config.name);
    if (used.length === 0) return;
    const present = new Set((await this.volumes.list()).volumes.map(({ name }) => name));
    const missing = used.find(({ volume }) => !present.has(volume));
    if (missing)
      throw new RpcError(
        'volume-missing',
        missing.vdev === OF_QEMU
          ? `no volume ${QEMU_VOLUME}, which has QEMU's files: the disk of a new host holds it`
          : `disk ${missing.vdev}: no volume ${missing.volume}; see: ennead volume list`,
      );
  }

  /** Who could write to QEMU's files could be every later Qemu VM. */
  private checkUse({ vdev, volume, access }: UsedVolume, name: string): void {
    if (volume === QEMU_VOLUME)
      throw new RpcError('bad-config', `disk ${vdev}: volume ${volume} holds QEMU's own files and is no guest's`);
    const user = this.guests.volumeUser(volume, access);
    if (user !== null && user !== name)
      throw new RpcError('volume-busy', `volume ${volume} is in use by guest ${user}`);
  }
}

const namesOf = ({ disks, boot }: GuestConfig): string[] =>
  [...disks, ...(boot.type === 'hvm' ? boot.machine.drives : [])].map(({ vdev }) => vdev);
