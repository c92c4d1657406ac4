/** NetBack: finds its network card, bridges it, and serves the network links of other VMs on that bridge. */
import { BRIDGE } from '../../contracts/bridge.ts';
import { BackendDevices } from '../../kit/backend-devices.ts';
import { type DriverVm, runDriverVm, type Stop } from '../../kit/driver-vm.ts';
import { hardware, waitForHardware } from '../../kit/hardware.ts';
import type { Clock, Files, Log, Network, Power, Uevents } from '../../xen/ports.ts';
import type { XenStore } from '../../xen/xenstore-port.ts';
import { VifBackends } from './vif-backends.ts';

export interface NetbackPorts {
  readonly store: XenStore;
  readonly files: Files;
  readonly network: Network;
  readonly uevents: Uevents;
  readonly clock: Clock;
  readonly power: Power;
  readonly log: Log;
}

/** Some cards load firmware first. */
const CARD_WAIT_MS = 30_000;
/** All clients' links together. A Linux bridge has 1023 ports. */
const VIFS_MAX = 256;
/** The card and the other end of its cable agree on a speed first. Without a cable NetBack serves its guests among themselves. */
const CARRIER_WAIT_MS = 5_000;
/** Linux announces the carrier to nobody who only listens to devices. */
const CARRIER_LOOK_MS = 20;
const CARRIER_BYTES_MAX = 8;

export const runNetback = (ports: NetbackPorts): Promise<void> => runDriverVm(ports, (vm) => startNetback(ports, vm));

async function startNetback(ports: NetbackPorts, vm: DriverVm): Promise<Stop> {
  const { store, log } = ports;
  const card = await waitForHardware(
    ports,
    () => hardware(ports.files, '/sys/class/net')[0] ?? null,
    'network card',
    CARD_WAIT_MS,
  );
  bridgeCard(ports, card);
  log(`${card} is on ${BRIDGE}`);
  const devices = new BackendDevices(
    { store, log, domid: vm.domid, class: 'vif', devicesMax: VIFS_MAX },
    new VifBackends(ports, BRIDGE),
  );
  const stopListening = ports.uevents.listen(() => devices.lookAgain());
  await devices.start();
  if (!(await carrierComes(ports, card))) log(`${card} has no carrier`);
  return async () => {
    stopListening();
    await devices.stop();
  };
}

/**
 * One card, one bridge: a second port of the same card may lead to the same network, and a bridge over both would be a loop.
 * A process that starts again finds it done.
 */
function bridgeCard({ files, network }: NetbackPorts, card: string): void {
  if (files.stat(`/sys/class/net/${BRIDGE}`) === null) network.createBridge(BRIDGE);
  if (files.stat(`/sys/class/net/${card}/brport`) === null) network.addToBridge(BRIDGE, card);
  network.up(card);
  network.up(BRIDGE);
}

/** What is sent before that is lost, and who sent it may wait for seconds before it tries again. */
async function carrierComes({ files, clock }: NetbackPorts, card: string): Promise<boolean> {
  for (let waitedMs = 0; waitedMs < CARRIER_WAIT_MS; waitedMs += CARRIER_LOOK_MS) {
    if (hasCarrier(files, card)) return true;
    await new Promise<void>((resolve) => clock.after(CARRIER_LOOK_MS, resolve));
  }
  return hasCarrier(files, card);
}

function hasCarrier(files: Files, card: string): boolean {
  try {
    return new TextDecoder().decode(files.read(`/sys/class/net/${card}/carrier`, CARRIER_BYTES_MAX)).startsWith('1');
  } catch {
    // Linux answers with an error as long as the card is not up.
    return false;
  }
}
