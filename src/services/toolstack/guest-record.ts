/**
 * What Toolstack must know of a guest to go on serving it after its own restart. Kept in this VM's home in XenStore, under `ennead/guests/<domid>`;
 * what is read back is checked like a stranger's.
 */
import * as z from 'zod/mini';
import { BRIDGE } from '../../contracts/bridge.ts';
import { domid, pvBoot, pvhBoot } from '../../contracts/builder.ts';
import { cardConfig, guestConfig, hvmConfig, macAddress } from '../../contracts/toolstack.ts';
import type { DomId } from '../../xen/ports.ts';
import type { XenStore } from '../../xen/xenstore-port.ts';

/** As asked for, with what Toolstack has chosen filled in: a restarted guest keeps its identity and its addresses. */
const settledAddress = { mac: macAddress, bridge: z.literal(BRIDGE) };
const settledHvm = z.extend(hvmConfig, {
  machine: z.extend(hvmConfig.shape.machine, {
    cards: z.array(z.extend(cardConfig, settledAddress)).check(z.maxLength(8)),
  }),
});
const settledConfig = z.extend(guestConfig, {
  uuid: z.string(),
  boot: z.discriminatedUnion('type', [pvBoot, pvhBoot, settledHvm]),
  vifs: z.array(z.strictObject(settledAddress)).check(z.maxLength(8)),
});
export type SettledConfig = z.infer<typeof settledConfig>;

export const guestRecord = z.strictObject({
  domid,
  config: settledConfig,
  /** `building`: not complete; whoever finds it so after a restart removes the guest. */
  phase: z.enum(['building', 'running', 'preserved', 'ending']),
  /** Its Qemu VM; null: it needs none. */
  deviceModel: z.nullable(domid),
  consolePort: z.number(),
  storageDomid: z.nullable(domid),
  networkDomid: z.nullable(domid),
  /** Wall clock, milliseconds: when it was restarted lately. */
  restartsMs: z.array(z.number()).check(z.maxLength(16)),
});
export type GuestRecord = z.infer<typeof guestRecord>;

const DIRECTORY = 'ennead/guests';
export const recordPath = (of: DomId | string): string => `${DIRECTORY}/${of}`;

export async function saveRecord(xenstore: XenStore, record: GuestRecord): Promise<void> {
  await xenstore.write(recordPath(record.domid), JSON.stringify(record));
}

export async function removeRecord(xenstore: XenStore, of: DomId): Promise<void> {
  await xenstore.remove(recordPath(of));
}

/** Records that cannot be understood are left out and named. */
export async function loadRecords(xenstore: XenStore): Promise<{ records: GuestRecord[]; broken: string[] }> {
  const records: GuestRecord[] = [];
  const broken: string[] = [];
  for (const name of (await xenstore.list(DIRECTORY)) ?? []) {
    const text = await xenstore.read(recordPath(name));
    const record = text === null ? null : parseRecord(text);
    if (record && String(record.domid) === name) records.push(record);
    else broken.push(name);
  }
  return { records, broken };
}

function parseRecord(text: string): GuestRecord | null {
  try {
    const parsed = z.safeParse(guestRecord, JSON.parse(text));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}
