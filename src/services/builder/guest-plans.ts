/** What a guest is made of, and its Qemu VM where it has one. */
import type { GuestSpec, MemoryAccess } from '../../contracts/builder.ts';
import { XENSTORE_LOGIC_DOMID } from '../../contracts/domids.ts';
import { serviceCatalogue } from '../../contracts/service-catalogue.ts';
import { serviceImage, serviceUuid } from '../../kit/service-vm.ts';
import type { DomId } from '../../xen/ports.ts';
import { commonAccess, type VmContent, type VmPlan } from './vms.ts';
import { deviceModelHome, guestHome } from './xenstore-homes.ts';

export interface PlannedGuest {
  readonly caller: DomId;
  readonly spec: GuestSpec;
  readonly content: VmContent;
  readonly domid: DomId;
  /** Its Qemu VM; null: it knows Xen and needs none. */
  readonly deviceModel: DomId | null;
}

/** What a VM costs Xen beside its own memory: its vcpus, page tables, grant and event tables. */
const OVERHEAD_MIB = 4;
/** Hardware's own page tables: so much for each vcpu, and a page for each MiB. */
const PAGE_TABLES_MIB_PER_VCPU = 1;
const MIB_PER_MIB_OF_PAGE_TABLES = 256;
/** Of emulated cards. */
const ROMS_MIB = 2;

/** All that has to be free. */
export function guestNeedsMib({ memoryMib, vcpus, boot }: GuestSpec): number {
  const ownMib = memoryMib + OVERHEAD_MIB;
  if (boot.type === 'pv') return ownMib;
  const pageTablesMib = vcpus * PAGE_TABLES_MIB_PER_VCPU + Math.ceil(memoryMib / MIB_PER_MIB_OF_PAGE_TABLES);
  if (boot.type === 'pvh') return ownMib + pageTablesMib;
  return ownMib + pageTablesMib + boot.videoMib + ROMS_MIB + serviceCatalogue.qemu.memoryMib + OVERHEAD_MIB;
}

const backEndsMap = (backends: readonly DomId[]): MemoryAccess[] =>
  backends.map((by) => ({ by, what: 'granted-pages', why: 'rings and data pages that it is granted' }));

const consoleMap = (by: DomId | null): MemoryAccess[] =>
  by === null ? [] : [{ by, what: 'console-ring', why: 'serves its console (grant 0)' }];

/** One whose hardware is emulated may have a serial port in place of a console, and its Qemu VM alone may use the back ends. */
export function guestPlan({ caller, spec, content, domid, deviceModel }: PlannedGuest): VmPlan {
  const { boot } = spec;
  const console = boot.type !== 'hvm' || boot.console ? caller : null;
  const emulators = deviceModel === null ? [] : [deviceModel];
  const backends = boot.type !== 'hvm' || boot.xenPlatform ? backendsOf(spec) : [];
  return {
    domid,
    name: spec.name,
    role: 'guest',
    type: 'guest',
    parent: caller,
    uuid: uuidBytes(spec.uuid),
    memoryMib: spec.memoryMib,
    vcpus: spec.vcpus,
    content,
    console,
    services: [XENSTORE_LOGIC_DOMID, caller, ...emulators, ...backends],
    memoryAccess: [
      ...commonAccess,
      ...consoleMap(console),
      ...emulators.map((by): MemoryAccess => ({ by, what: 'all', why: 'emulates the hardware that it sees' })),
      ...backEndsMap(backends),
    ],
    nodes: guestHome(domid, caller),
  };
}

/** Named as xl names it. */
export function deviceModelPlan({ caller, spec, domid: guest }: PlannedGuest, domid: DomId): VmPlan {
  const name = `${spec.name}-dm`;
  const backends = backendsOf(spec);
  return {
    domid,
    name,
    role: 'device-model',
    type: 'qemu',
    parent: caller,
    uuid: serviceUuid(domid),
    memoryMib: serviceCatalogue.qemu.memoryMib,
    vcpus: 1,
    content: { kind: 'pv', image: serviceImage('qemu') },
    console: null,
    services: [XENSTORE_LOGIC_DOMID, caller, ...backends],
    memoryAccess: [
      ...commonAccess,
      { by: caller, what: 'link-ring', why: 'says what to emulate; screen, serial line and media' },
      ...backEndsMap(backends),
    ],
    emulates: guest,
    nodes: deviceModelHome(domid, name, guest),
  };
}

const backendsOf = ({ backends }: GuestSpec): DomId[] => [...new Set(backends)];

function uuidBytes(uuid: string): Uint8Array {
  return Uint8Array.from(uuid.replaceAll('-', '').match(/../g) ?? [], (digits) => Number.parseInt(digits, 16));
}
