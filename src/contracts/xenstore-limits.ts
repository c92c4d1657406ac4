/**
 * What one guest may use of XenStore, and all guests together. Names, words and values are xenstored's, as far as it has such a limit. They can be
 * set while XenStore runs, within bounds: whatever the operator says, XenStore-State has to live in its VM.
 * @source Xen tools/xenstore/xenstored_core.c (quota_*), xenstored_control.c (hard_quotas, soft_quotas)
 */
import { RELATIVE_PATH_BYTES_MAX } from '../wire/xenstore-message.ts';
import { serviceCatalogue } from './service-catalogue.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

/** What is left for contents of the memory of XenStore-State's VM: half is for Linux, ennead-rt and State's program, a sixteenth is what State shows. */
const CONTENTS_BYTES = (serviceCatalogue['xenstore-state'].memoryMib * MIB * 7) / 16;
/**
 * What State takes for a byte that is counted (xenstore-quota.ts), at most: on its heap, in its snapshot and log, and once more while a snapshot is
 * written. docs/decisions/0018 has the measurement.
 */
const BYTES_PER_COUNTED = 8;
const COUNTED_BYTES_MAX = CONTENTS_BYTES / BYTES_PER_COUNTED;
/** What they own themselves. As much is left for Builder, Toolstack and PCIBack, which have no limit: most of a guest's home is Toolstack's. */
export const GUESTS_MEMORY_MAX = (COUNTED_BYTES_MAX * 3) / 8;
/** Of all driver VMs together. */
export const SERVICES_MEMORY_MAX = COUNTED_BYTES_MAX / 4;
/** What a guest can have whatever other guests have: twice what Linux's front ends write. There is one for each of 63 guests. */
export const GUEST_SHARE_BYTES = 8 * KIB;

/** At most so many bytes of events wait for one connection. */
export const UNSENT_BYTES_MAX = 64 * KIB;

export interface Limit {
  readonly initial: number;
  readonly min: number;
  readonly max: number;
  readonly about: string;
}

const fixed = (value: number, about: string): Limit => ({ initial: value, min: value, max: value, about });

/** In xenstored's order; the last three are ours. Two are no settings, but what follows from how Logic serves its clients. */
export const limits = {
  nodes: { initial: 1000, min: 1, max: 16_000, about: 'Nodes per domain' },
  watches: { initial: 128, min: 1, max: 2048, about: 'Watches per domain' },
  transactions: { initial: 10, min: 1, max: 100, about: 'Transactions per domain' },
  outstanding: fixed(1, 'Outstanding requests per domain'),
  'transaction-nodes': {
    initial: 1024,
    min: 1,
    max: 16_000,
    about: 'Max. number of accessed nodes per transaction',
  },
  memory: {
    initial: 256 * KIB,
    min: GUEST_SHARE_BYTES,
    max: GUESTS_MEMORY_MAX,
    about: 'Total Xenstore memory per domain (error level)',
  },
  'node-size': { initial: 2048, min: 1, max: 4096, about: 'Max. size of a node' },
  'path-max': {
    initial: RELATIVE_PATH_BYTES_MAX,
    min: 256,
    max: RELATIVE_PATH_BYTES_MAX,
    about: 'Max. length of a node path',
  },
  permissions: { initial: 5, min: 1, max: 64, about: 'Max. number of permissions per node' },
  events: fixed(UNSENT_BYTES_MAX, 'Size of unsent messages per domain'),
  'memory-soft': {
    initial: 192 * KIB,
    min: 1,
    max: GUESTS_MEMORY_MAX,
    about: 'Total Xenstore memory per domain (warning level)',
  },
  'total-memory': {
    initial: GUESTS_MEMORY_MAX,
    min: GUEST_SHARE_BYTES,
    max: GUESTS_MEMORY_MAX,
    about: 'Total Xenstore memory of all guests',
  },
} as const satisfies Record<string, Limit>;
export type LimitName = keyof typeof limits;
export const limitNames = Object.keys(limits) as LimitName[];

export type Limits = Readonly<Record<LimitName, number>>;

export const guestLimits = Object.fromEntries(limitNames.map((name) => [name, limits[name].initial])) as Limits;

/** A driver VM's, which nobody sets: it has nodes and watches for each of its guests' devices. */
export const serviceLimits: Limits = {
  ...guestLimits,
  nodes: 16_000,
  watches: 2048,
  memory: SERVICES_MEMORY_MAX,
  'memory-soft': SERVICES_MEMORY_MAX,
};

export const isWithinBounds = (name: LimitName, value: number): boolean =>
  Number.isInteger(value) && value >= limits[name].min && value <= limits[name].max;

/** For whom has asked for another value. */
export function boundsText(name: LimitName): string {
  const { min, max }: Limit = limits[name];
  return min === max ? `${name} is ${max} and cannot be set` : `${name} can be set from ${min} to ${max}`;
}

/** Whose limits a connection has. */
export const limitKinds = ['none', 'service', 'guest'] as const;
export type LimitKind = (typeof limitKinds)[number];

/** Those that Logic looks at in State's pages, where they are one word each. */
export const shownLimits = ['node-size', 'path-max', 'permissions'] as const;
