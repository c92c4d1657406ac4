/** The way of a guest's packets: QEMU's TAP interface and this VM's PV card, on a bridge of their own. */
import type { EmulatedCard } from '../../contracts/device-model.ts';
import { waitForHardware } from '../../kit/hardware.ts';
import type { Clock, Files, Network, Uevents } from '../../xen/ports.ts';
import { tapName } from './command-line.ts';
import { QEMU_UID } from './root.ts';

export interface CardPorts {
  readonly files: Files;
  readonly uevents: Uevents;
  readonly clock: Clock;
  readonly network: Network;
}

export async function connectCard(ports: CardPorts, { index }: EmulatedCard, timeoutMs: number): Promise<void> {
  const { network } = ports;
  const card = await waitForHardware(ports, () => pvCard(ports.files, index), `network card ${index}`, timeoutMs);
  const [bridge, tap] = [`br${index}`, tapName(index)];
  network.createBridge(bridge);
  network.createTap(tap, QEMU_UID);
  for (const name of [card, tap]) network.addToBridge(bridge, name);
  for (const name of [card, tap, bridge]) network.up(name);
}

/** Linux counts its cards as they come, so the name says nothing; the device in XenStore does. */
function pvCard(files: Files, index: number): string | null {
  const folder = `/sys/devices/vif-${index}/net`;
  return files.stat(folder) ? (files.list(folder)[0] ?? null) : null;
}
