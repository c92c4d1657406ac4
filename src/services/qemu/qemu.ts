/** The Qemu VM's service: offers Toolstack a link, emulates the one machine that it is told of, and switches its VM off when that is over. */
import { DEVICE_MODEL_LINK } from '../../contracts/device-model.ts';
import { TOOLSTACK_DOMID } from '../../contracts/domids.ts';
import type { MessageLink } from '../../kit/link.ts';
import { offerLink } from '../../kit/link-offer.ts';
import { type RpcPeer, rpcPeer } from '../../kit/rpc.ts';
import type { EventChannels, Grants, Power } from '../../xen/ports.ts';
import type { XenStore } from '../../xen/xenstore-port.ts';
import { DeviceModel, type Toolstack } from './device-model.ts';
import type { EmulatorPorts } from './emulator.ts';
import { isMounted, mountRoot } from './root.ts';

export interface QemuPorts extends EmulatorPorts {
  readonly store: XenStore;
  readonly grants: Grants;
  readonly eventChannels: EventChannels;
  readonly power: Power;
}

/** For Toolstack to hear why. */
const FAREWELL_MS = 2_000;
/** A Toolstack that takes no link for longer is as good as none, and the guest works without. */
const OFFER_AGAIN_MS = 200;

export async function runQemu(ports: QemuPorts): Promise<void> {
  if (isMounted(ports.files)) {
    // Whoever ran before has ended, and nobody knows the PC any more that the guest runs on.
    ports.log('switching off: the service has ended before, and the emulated machine with it');
    ports.power.off();
    return;
  }
  await mountRoot(ports);
  const toolstack = new ToolstackLink(ports);
  const model = new DeviceModel(ports, toolstack, (why) => void end(ports, toolstack, why));
  await toolstack.offer(model);
}

/** Once is enough: the first thing that goes wrong is the reason. */
async function end({ clock, power, log }: QemuPorts, toolstack: Toolstack, why: string): Promise<void> {
  log(`switching off: ${why}`);
  const late = new Promise<void>((resolve) => clock.after(FAREWELL_MS, resolve));
  // The answer to the call that has failed is sent after this.
  await Promise.resolve();
  await Promise.race([late, toolstack.drained()]);
  power.off();
}

/** One link after the other: Toolstack's program may start again while the guest runs. */
class ToolstackLink implements Toolstack {
  private link: MessageLink | null = null;
  private peer: RpcPeer | null = null;

  constructor(private readonly ports: QemuPorts) {}

  async offer(model: DeviceModel): Promise<void> {
    const { grants, eventChannels, store, log, clock } = this.ports;
    const link = await offerLink(
      { grants, eventChannels, xenstore: store },
      { name: DEVICE_MODEL_LINK, server: TOOLSTACK_DOMID },
    );
    this.link = link;
    this.peer = rpcPeer(link, model.methods(), {
      onInternalError: (method, error) => log(`${method}: ${String(error)}`),
    });
    this.peer.onClosed((why) => {
      log(`the link to Toolstack is lost: ${why}`);
      this.link = null;
      this.peer = null;
      model.linkLost();
      clock.after(OFFER_AGAIN_MS, () => {
        this.offer(model).catch((error: unknown) => log(`no new link to Toolstack: ${String(error)}`));
      });
    });
  }

  notify(method: string, params: object): void {
    this.peer?.notify(method, params);
  }

  drained(): Promise<void> {
    return this.link?.drained() ?? Promise.resolve();
  }
}
