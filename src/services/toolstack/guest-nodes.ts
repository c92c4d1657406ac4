/** A guest's own part of XenStore, laid out as libxl does it, so that Linux's and other systems' drivers find what they look for. */
import type { GuestBuilt } from '../../contracts/builder.ts';
import type { DomId } from '../../xen/ports.ts';
import type { NewNode } from '../../xen/xenstore-port.ts';
import type { SettledConfig } from './guest-record.ts';
import { both, home, ownedBy, reads } from './nodes.ts';

/** What the guest itself writes: its answers to us, and what it wants to tell. */
const GUEST_WRITABLE = [
  'control/shutdown',
  'control/feature-poweroff',
  'control/feature-reboot',
  'control/feature-suspend',
  'control/sysrq',
  'device/suspend/event-channel',
  'data',
  'drivers',
  'feature',
  'attr',
  'error',
];

const KIB_PER_MIB = 1024;
/** libxl's default; xenconsoled's bound on what it keeps. */
const CONSOLE_LIMIT_BYTES = 1048576;

/**
 * What hvmloader asks before it starts the firmware. Its own defaults are another BIOS, and to move memory, which QEMU would not follow.
 * @source xen/include/public/hvm/hvm_xs_strings.h; tools/firmware/hvmloader/pci.c, pci_setup
 */
const HVMLOADER = { bios: 'seabios', 'allow-memory-relocate': 0 };
/** Sleep (S3) nobody could end again; to hibernate (S4) is to power off. @source tools/firmware/hvmloader/util.c, hvmloader_acpi_build_tables */
const SLEEP_STATES = { acpi_s3: 0, acpi_s4: 1, acpi_laptop_slate: 0 };

export const vmPath = (uuid: string): string => `/vm/${uuid}`;

export function guestNodes(config: SettledConfig, built: GuestBuilt, toolstack: DomId): NewNode[] {
  const { domid } = built;
  const readable = ownedBy(toolstack, reads(domid));
  const writable = ownedBy(toolstack, both(domid));
  const node = (path: string, value: string | number = '', permissions = readable): NewNode => ({
    path: path.startsWith('/') ? path : `${home(domid)}/${path}`,
    value: String(value),
    permissions,
  });
  const folder = (path: string, values: Readonly<Record<string, string | number>>): NewNode[] => [
    node(path),
    ...Object.entries(values).map(([name, value]) => node(`${path}/${name}`, value)),
  ];
  const memoryKib = config.memoryMib * KIB_PER_MIB;
  const { boot } = config;
  const videoKib = boot.type === 'hvm' ? boot.videoMib * KIB_PER_MIB : 0;
  const vm = vmPath(config.uuid);
  return [
    node(home(domid)),
    node(vm),
    node(`${vm}/uuid`, config.uuid),
    node(`${vm}/name`, config.name),
    node(`${vm}/image`),
    node(`${vm}/image/ostype`, boot.type === 'hvm' ? 'hvm' : 'linux'),
    node('vm', vm),
    node('name', config.name),
    node('domid', domid),
    node('cpu'),
    ...Array.from({ length: config.vcpus }, (_, vcpu) => [
      node(`cpu/${vcpu}`),
      node(`cpu/${vcpu}/availability`, 'online'),
    ]).flat(),
    node('memory'),
    node('memory/static-max', memoryKib + videoKib),
    node('memory/target', memoryKib),
    node('device'),
    node('device/suspend'),
    node('control'),
    node('control/platform-feature-multiprocessor-suspend', 1),
    node('control/platform-feature-xs_reset_watches', 1),
    ...GUEST_WRITABLE.map((path) => node(path, '', writable)),
    node('store'),
    node('store/port', built.storePort),
    node('store/ring-ref', built.storeGfn),
    ...(boot.type === 'hvm' && boot.machine.serial
      ? []
      : folder('console', {
          type: 'xenconsoled',
          output: 'pty',
          limit: CONSOLE_LIMIT_BYTES,
          port: built.consolePort,
          'ring-ref': built.consoleGfn,
        })),
    ...(boot.type !== 'hvm'
      ? []
      : [
          node('memory/videoram', videoKib),
          ...folder('hvmloader', HVMLOADER),
          ...folder('platform', { acpi: Number(boot.acpi), ...SLEEP_STATES }),
        ]),
  ];
}
