/**
 * Disks and network interfaces as xl.cfg writes them: parameters between commas, some of them positional.
 * @source xen docs/man/xl-disk-configuration.5.pod, xl-network-configuration.5.pod
 */
import { BRIDGE } from '../../contracts/bridge.ts';
import type { DiskConfig, VifConfig } from '../../contracts/toolstack.ts';
import { diskConfig, macAddress } from '../../contracts/toolstack.ts';
import { volumeName } from '../../contracts/volumes.ts';

/** What is wrong, or what was passed over. */
export interface DeviceText<T> {
  readonly device?: T;
  readonly error?: string;
  readonly ignored: readonly string[];
}

/** `phy:` and its like, which xl has deprecated: they say the format, so that no position is left for it. */
const OLD_PREFIX = /^(?:(?:phy|file|raw|tap2?):)(?:aio:)?/;
const ACCESS: Readonly<Record<string, 'r' | 'w'>> = { r: 'r', ro: 'r', w: 'w', rw: 'w' };
const DISK_KEYS = ['target', 'format', 'vdev', 'access', 'devtype'];

/** `root,raw,xvda,rw`, `vdev=xvda,access=rw,target=root`, `phy:root,xvda,w`. */
export function parseDisk(text: string): DeviceText<DiskConfig> {
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
      const position = positions.shift();
      if (position !== undefined) found[position] = part.trim();
      else if (part.trim() !== '') ignored.push(part.trim());
    } else if (DISK_KEYS.includes(key)) found[key] = (value ?? '').trim();
    else ignored.push(key);
  }
  return { ...diskFrom(found), ignored };
}

function diskFrom(found: Readonly<Record<string, string>>): { device: DiskConfig } | { error: string } {
  const { target = '', format = '', vdev = '', access = '', devtype = 'disk' } = found;
  if (devtype === 'cdrom' || vdev.endsWith(':cdrom')) return { error: 'CD-ROMs are not supported' };
  if (format !== '' && format !== 'raw') return { error: `format ${format} is not supported: volumes are raw` };
  if (!volumeName.safeParse(target).success)
    return { error: `target ${JSON.stringify(target)} is not the name of a volume (see: ennead volume list)` };
  if (vdev === '') return { error: 'it has no virtual device (vdev=xvda)' };
  const mode = access === '' ? 'w' : ACCESS[access];
  if (mode === undefined) return { error: `access ${access} is neither r nor w` };
  const device = { vdev: vdev.replace(/^\/dev\//, ''), volume: target, access: mode };
  if (!diskConfig.safeParse(device).success) return { error: `no virtual disk is called ${vdev}` };
  return { device };
}

/** `mac=00:16:3e:12:34:56,bridge=xenbr0`; all of it may be missing. */
export function parseVif(text: string): DeviceText<VifConfig> {
  const device: { mac?: string; bridge?: typeof BRIDGE } = {};
  const ignored: string[] = [];
  for (const part of text.split(',').map((one) => one.trim())) {
    if (part === '') continue;
    const [key = '', value = ''] = part.split(/=(.*)/s, 2);
    if (key === 'mac') device.mac = value.toLowerCase();
    else if (key === 'bridge' && value !== BRIDGE)
      return { error: `bridge ${JSON.stringify(value)} does not exist: the only one is ${BRIDGE}`, ignored };
    else if (key === 'bridge') device.bridge = BRIDGE;
    else if (part !== 'type=vif' && part !== 'type=pv') ignored.push(key);
  }
  if (device.mac !== undefined && !macAddress.safeParse(device.mac).success)
    return { error: `mac ${device.mac} is not a unicast address like 00:16:3e:12:34:56`, ignored };
  return { device, ignored };
}
