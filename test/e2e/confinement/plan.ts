/** What the attacking Qemu VM and its operator agree on. Paths are relative to the Qemu VM's home in XenStore. */

/** Toolstack makes them, the last one when all others are there. */
const ORDERS = 'ennead/orders';
export interface Orders {
  /** In how many nodes below `ORDERS` the paths are, `part0` and so on, one path in a line. */
  readonly parts: number;
  /** Another VM. */
  readonly victim: number;
}
export const partOfOrders = (part: number): string => `${ORDERS}/part${part}`;
export const ORDERS_ARE_THERE = `${ORDERS}/all`;

/** JSON, and the Qemu VM's last word. */
export const ANSWER = 'ennead/answer';

/** Tried on each path that is told, in this order: what removes it comes last. */
export const attempts = ['read', 'directory', 'getPerms', 'write', 'mkdir', 'setPerms', 'rm'] as const;
export type Attempt = (typeof attempts)[number];

/** For those who may control domains, or XenStore itself. */
export const commands = ['introduce', 'release', 'setTarget', 'resume', 'control'] as const;

export interface Answer {
  /** How many attempts ended with EACCES. */
  readonly refused: number;
  /** How the first of the others ended, a line for each. */
  readonly otherwise: readonly string[];
  readonly commands: Readonly<Record<(typeof commands)[number], string>>;
  /** In a transaction: to read and to write the victim's name, and to commit that. */
  readonly transaction: readonly string[];
  /** The same attempts in a folder of its own. */
  readonly own: Readonly<Record<Attempt, string>>;
  /** What watches on the root and on Xen's news have told since this VM started, each path once, but for its own nodes. */
  readonly heard: readonly string[];
}

export const WATCHED = ['/', '@introduceDomain', '@releaseDomain'] as const;

/** What a Qemu VM works with: its home, and the back ends of its disks and cards. */
export const isOwn = (own: number, path: string): boolean =>
  new RegExp(`^/local/domain/(${own}|\\d+/backend/(vbd|vif)/${own}/\\d+)(/|$)`).test(path);
