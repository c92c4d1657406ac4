/**
 * Disks and network interfaces as xl.cfg writes them: parameters between commas, some of them positional.
 * @source xen docs/man/xl-disk-configuration.5.pod, xl-network-configuration.5.pod
 */
import { BRIDGE } from '../../contracts/bridge.ts';
import { cardModel, driveName } from '../../contracts/device-model.ts';
import type { CardConfig, DiskConfig, DriveConfig, VifConfig } from '../../contracts/toolstack.ts';
import { cardConfig, diskConfig, macAddress } from '../../contracts/toolstack.ts';
import { volumeName } from '../../contracts/volumes.ts';

/** What is wrong, or what was passed over. */
export interface DeviceText<T> {
  readonly device?: T;
  readonly error?: string;
  readonly ignored: readonly string[];
}

type Fault = { readonly error: string };

/** `phy:` and its like, which xl has deprecated: they say the format, so that no position is left for it. */
const OLD_PREFIX = /^(?:(?:phy|file|raw|tap2?):)(?:aio:)?/;
/** Deprecated, too: `hdc:cdrom`. */
const OLD_CDROM_SUFFIX = /:cdrom$/;
const ACCESS: Readonly<Record<string, 'r' | 'w'>> = { r: 'r', ro: 'r', w: 'w', rw: 'w', '': 'w' };
const DISK_KEYS = ['target', 'format', 'vdev', 'access', 'devtype'];
/** xl's own. */
const DEFAULT_CARD = 'rtl8139';

/** A paravirtual disk: `root,raw,xvda,rw`, `vdev=xvda,access=rw,target=root`, `phy:root,xvda,w`. */
export function parseDisk(text: string): DeviceText<DiskConfig> {
  const { found, ignored } = diskParameters(text);
  return { ...diskFrom(found), ignored };
}

/** A drive of an emulated PC: as a disk, with `hda` or `sda`, `format=qcow2`, `devtype=cdrom`. */
export function parseDrive(text: string): DeviceText<DriveConfig> {
  const { found, ignored } = diskParameters(text);
  return { ...driveFrom(found), ignored };
}

interface DiskParameters {
  readonly target: string;
  readonly format: string;
  readonly vdev: string;
  readonly access: string;
  readonly cdrom: boolean;
}

function diskParameters(text: string): { found: DiskParameters; ignored: readonly string[] } {
  const found: Record<string, string> = {};
  const ignored: string[] = [];
  const prefix = OLD_PREFIX.exec(text)?.[0] ?? '';
  if (prefix) found.format = 'raw';
  const positions = prefix ? ['target', 'vdev', 'access'] : ['target', 'format', 'vdev', 'access'];
  const parts = text.slice(prefix.length).split(',');
  for (const [index, part] of parts.entries()) {
    const [, key, value] = /^\s*([a-z-]+)=(.*)$/s.exec(part) ?? [];
    if (key === 'target') {
      // By xl's rule it is the last parameter, and takes what is left, commas included.
      found.target = [value, ...parts.slice(index + 1)].join(',').trim();
      break;
    }
    if (key === undefined) {
      const position = index > 0 && part.trim() === 'cdrom' ? 'devtype' : positions.shift();
      if (position !== undefined) found[position] = part.trim();
      else if (part.trim() !== '') ignored.push(part.trim());
    } else if (DISK_KEYS.includes(key)) found[key] = (value ?? '').trim();
    else ignored.push(key);
  }
  const { target = '', format = '', vdev = '', access = '', devtype = 'disk' } = found;
  const cdrom = devtype === 'cdrom' || OLD_CDROM_SUFFIX.test(vdev);
  const name = vdev.replace(OLD_CDROM_SUFFIX, '').replace(/^\/dev\//, '');
  return { found: { target, format, vdev: name, access, cdrom }, ignored };
}

function diskFrom({ target, format, vdev, access, cdrom }: DiskParameters): { device: DiskConfig } | Fault {
  if (cdrom) return { error: 'devtype cdrom is not supported: CD drives are for guests of type hvm' };
  if (format !== '' && format !== 'raw')
    return { error: `format ${format} is not supported: volumes are raw for guests of type pv and pvh` };
  if (!volumeName.safeParse(target).success) return noVolume(target);
  if (vdev === '') return { error: 'it has no virtual device (vdev=xvda)' };
  const mode = ACCESS[access];
  if (mode === undefined) return { error: `access ${access} is neither r nor w` };
  const device = { vdev, volume: target, access: mode };
  if (!diskConfig.safeParse(device).success) return { error: `no virtual disk is called ${vdev}` };
  return { device };
}

function driveFrom({ target, format, vdev, access, cdrom }: DiskParameters): { device: DriveConfig } | Fault {
  if (vdev === '') return { error: 'it has no virtual device (vdev=hda)' };
  if (!driveName.safeParse(vdev).success)
    return { error: `no drive is called ${vdev}: there are hda to hdd (IDE) and sda to sdf (SATA)` };
  const empty = target === '' || format === 'empty';
  if (empty && !cdrom) return { error: 'it has no volume, which only a CD drive can do without (devtype=cdrom)' };
  if (!empty && !volumeName.safeParse(target).success) return noVolume(target);
  const kind = format === '' || format === 'empty' ? 'raw' : format;
  if (kind !== 'raw' && kind !== 'qcow2') return { error: `format ${kind} is not supported: raw and qcow2 are` };
  const mode = ACCESS[access];
  if (mode === undefined) return { error: `access ${access} is neither r nor w` };
  // QEMU refuses: on IDE and SATA a disk has no way to say that it cannot be written to.
  if (mode === 'r' && !cdrom) return { error: 'access r is for CD drives (devtype=cdrom): an emulated disk is rw' };
  return {
    device: { vdev, volume: empty ? null : target, access: cdrom ? 'r' : mode, cdrom, format: kind },
  };
}

const noVolume = (target: string): Fault => ({
  error: `target ${JSON.stringify(target)} is not the name of a volume (see: ennead volume list)`,
});

/** A paravirtual card: `mac=00:16:3e:12:34:56,bridge=xenbr0`; all of it may be missing. */
export function parseVif(text: string): DeviceText<VifConfig> {
  const { found, others } = vifParameters(text);
  const ignored = others.flatMap(([key, value]) =>
    key === 'type' && (value === 'vif' || value === 'pv') ? [] : [key],
  );
  return { ...vifFrom(found), ignored };
}

/** A card of a guest of type hvm: as a paravirtual one, with `model=e1000`, or paravirtual alone with `type=vif`. */
export function parseCard(text: string): DeviceText<CardConfig> {
  const { found, others } = vifParameters(text);
  const { type = 'ioemu', model = DEFAULT_CARD } = Object.fromEntries(others);
  const ignored = others.flatMap(([key]) => (key === 'type' || key === 'model' ? [] : [key]));
  if (type !== 'ioemu' && type !== 'vif')
    return { error: `type ${type} is neither ioemu (emulated) nor vif (paravirtual alone)`, ignored };
  const known = cardConfig.shape.model.safeParse(type === 'vif' ? null : model === 'virtio' ? 'virtio-net' : model);
  if (!known.success) return { error: `model ${model} is not one of ${cardModel.options.join(', ')}`, ignored };
  const vif = vifFrom(found);
  return 'error' in vif ? { ...vif, ignored } : { device: { ...vif.device, model: known.data }, ignored };
}

type Found = { readonly mac?: string; readonly bridge?: string };

function vifParameters(text: string): { found: Found; others: (readonly [string, string])[] } {
  const parts = text.split(',').map((one) => one.trim());
  const pairs = parts
    .filter((part) => part !== '')
    .map((part) => {
      const [key = '', value = ''] = part.split(/=(.*)/s, 2);
      return [key, value] as const;
    });
  const own = ({ 0: key }: readonly [string, string]): boolean => key === 'mac' || key === 'bridge';
  return { found: Object.fromEntries(pairs.filter(own)), others: pairs.filter((pair) => !own(pair)) };
}

function vifFrom({ mac, bridge }: Found): { device: VifConfig } | Fault {
  const address = mac?.toLowerCase();
  if (bridge !== undefined && bridge !== BRIDGE)
    return { error: `bridge ${JSON.stringify(bridge)} does not exist: the only one is ${BRIDGE}` };
  if (address !== undefined && !macAddress.safeParse(address).success)
    return { error: `mac ${address} is not a unicast address like 00:16:3e:12:34:56` };
  return {
    device: { ...(address === undefined ? {} : { mac: address }), ...(bridge === undefined ? {} : { bridge: BRIDGE }) },
  };
}
