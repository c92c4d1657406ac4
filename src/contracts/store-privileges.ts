/**
 * What XenStore-Logic lets service VMs do beyond what node permissions say: a part of their manifests, and the only thing that Logic needs to
 * know of them.
 */
import { BUILDER_DOMID, PCIBACK_DOMID, TOOLSTACK_DOMID } from './domids.ts';

export interface StorePrivilege {
  readonly domid: number;
  /** At and below these the domain acts as the owner of every node. */
  readonly owns: readonly string[];
  readonly except: readonly string[];
  /** At and below these it reads every node. */
  readonly reads: readonly string[];
  /** INTRODUCE, RELEASE, SET_TARGET, RESUME. */
  readonly control: boolean;
  /** What every domain uses of the store, and may use (CONTROL quota). */
  readonly counts: boolean;
  /** Says what guests may use of the store, within bounds (CONTROL quota set). */
  readonly limits: boolean;
  readonly why: string;
}

const NOTHING = { owns: [], except: [], reads: [], control: false, counts: false, limits: false } as const;

export const storePrivileges = {
  builder: {
    ...NOTHING,
    domid: BUILDER_DOMID,
    owns: ['/'],
    control: true,
    why: 'makes the homes of all VMs, introduces and releases them',
  },
  toolstack: {
    ...NOTHING,
    domid: TOOLSTACK_DOMID,
    owns: ['/local/domain', '/vm', '/libxl', '/ennead/guests', '@introduceDomain', '@releaseDomain'],
    except: [`/local/domain/${BUILDER_DOMID}`, `/local/domain/${PCIBACK_DOMID}`],
    reads: ['/'],
    counts: true,
    limits: true,
    why: 'describes the devices of guests in their homes and in those of their back ends, keeps its records of guests, shows the operator the store and what is used of it, sets for him what guests may use',
  },
  pciback: {
    ...NOTHING,
    domid: PCIBACK_DOMID,
    owns: [`/local/domain/${PCIBACK_DOMID}/backend`],
    why: 'describes a device to its driver VM in one request: the front end acts on the first node that it sees',
  },
} as const satisfies Record<string, StorePrivilege>;
