/** Puts the interfaces that Linux's network back end makes for its clients on the bridge. Linux takes them away again by itself. */
import type { BackendDevice, BackendHandler } from '../../kit/backend-devices.ts';
import type { Files, Network } from '../../xen/ports.ts';
import type { XenStoreReader } from '../../xen/xenstore-port.ts';

export interface VifPorts {
  readonly store: XenStoreReader;
  readonly files: Files;
  readonly network: Network;
}

export class VifBackends implements BackendHandler {
  constructor(
    private readonly ports: VifPorts,
    private readonly bridge: string,
  ) {}

  /** Linux says InitWait before it has made the interface, and announces the interface: then we are asked again. */
  async connect(device: BackendDevice): Promise<Readonly<Record<string, string>> | 'later'> {
    const { store, files, network } = this.ports;
    const handle = await store.read(`${device.path}/handle`);
    if (handle !== String(device.id)) throw new Error(`handle is ${JSON.stringify(handle)}, not ${device.id}`);
    const name = interfaceName(device);
    if (files.stat(`/sys/class/net/${name}`) === null) return 'later';
    network.addToBridge(this.bridge, name);
    network.up(name);
    return {};
  }

  /** The interface is on the bridge since an earlier process put it there. */
  async adopt(): Promise<void> {}

  disconnect(): void {}

  /** The card is one of them. */
  attached(): number {
    return this.ports.files.list(`/sys/class/net/${this.bridge}/brif`).length;
  }
}

/** @source Linux drivers/net/xen-netback/interface.c, xenvif_alloc */
const interfaceName = ({ frontend, id }: BackendDevice): string => `vif${frontend}.${id}`;
