/** Who may do more than node permissions say. A VM that is not in this table is an ordinary client. */
import { BUILDER_DOMID, PCIBACK_DOMID, TOOLSTACK_DOMID } from '../../contracts/domids.ts';
import type { DomId } from '../../xen/ports.ts';

interface Privilege {
  /** At and below these the domain acts as the owner of every node. */
  readonly paths: readonly string[];
  readonly except: readonly string[];
  /** At and below these it reads every node. */
  readonly reads: readonly string[];
  /** INTRODUCE, RELEASE, SET_TARGET, RESUME. */
  readonly control: boolean;
  /** What every domain uses of the store (CONTROL quota). */
  readonly counts: boolean;
  readonly why: string;
}

const DOMAIN_0: DomId = 0;

const privileges = new Map<DomId, Privilege>([
  [
    BUILDER_DOMID,
    {
      paths: ['/'],
      except: [],
      reads: [],
      control: true,
      counts: false,
      why: 'makes the homes of all VMs, introduces and releases them',
    },
  ],
  [
    TOOLSTACK_DOMID,
    {
      paths: ['/local/domain', '/vm', '/libxl', '/ennead/guests', '@introduceDomain', '@releaseDomain'],
      except: [`/local/domain/${BUILDER_DOMID}`, `/local/domain/${PCIBACK_DOMID}`],
      reads: ['/'],
      control: false,
      counts: true,
      why: 'describes the devices of guests in their homes and in those of their back ends, keeps its records of guests, shows the operator the store and what is used of it',
    },
  ],
  [
    PCIBACK_DOMID,
    {
      paths: [`/local/domain/${PCIBACK_DOMID}/backend`],
      except: [],
      reads: [],
      control: false,
      counts: false,
      why: 'describes a device to its driver VM in one request: the front end acts on the first node that it sees',
    },
  ],
]);

/** Where there is no Xen: whoever may open the socket is what domain 0 is to xenstored. To be called before the heap's snapshot. */
export function admitDomain0(): void {
  privileges.set(DOMAIN_0, {
    paths: ['/'],
    except: [],
    reads: [],
    control: true,
    counts: true,
    why: 'the permissions of the socket are the only ones that xenstored has for it',
  });
}

/** The root covers the special paths, too. */
const covers = (top: string, path: string): boolean => top === '/' || path === top || path.startsWith(`${top}/`);

export function isPrivileged(domid: DomId, path: string): boolean {
  const privilege = privileges.get(domid);
  if (!privilege) return false;
  return privilege.paths.some((top) => covers(top, path)) && !privilege.except.some((top) => covers(top, path));
}

export function mayReadAll(domid: DomId, path: string): boolean {
  return privileges.get(domid)?.reads.some((top) => covers(top, path)) ?? false;
}

export const mayControl = (domid: DomId): boolean => privileges.get(domid)?.control ?? false;

export const mayCount = (domid: DomId): boolean => privileges.get(domid)?.counts ?? false;

/** Whether limits do not apply to the domain. */
export const isTrusted = (domid: DomId): boolean => privileges.has(domid);
