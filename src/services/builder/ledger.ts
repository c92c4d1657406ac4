/**
 * What Builder knows of every VM: the trust list, and what goes with it. A copy lies in the recovery box, so that a Builder
 * process that was started again knows the VMs of the one before. What comes back is checked like any input.
 */
import * as z from 'zod/mini';
import { domid, type TrustRecord, trustRecord } from '../../contracts/builder.ts';
import { FIRST_GUEST_DOMID } from '../../contracts/domids.ts';
import { bdf } from '../../contracts/pci-handover.ts';
import type { DomId } from '../../xen/ports.ts';
import { GuestDomids } from './domids.ts';
import type { RecoveryBox } from './ports.ts';

const driver = z.strictObject({ kind: z.enum(['storage', 'network']), bdf, isolated: z.boolean() });
export type Driver = z.infer<typeof driver>;

const entry = z.strictObject({
  record: trustRecord,
  memoryMib: z.number(),
  /** ISO 8601; when it was started. */
  since: z.string(),
  driver: z.optional(driver),
  /** The guest whose hardware it emulates. */
  emulates: z.optional(domid),
});
export type VmEntry = z.infer<typeof entry>;

const saved = z.strictObject({ nextGuest: domid, entries: z.array(entry) });

export class Ledger {
  private readonly vms = new Map<DomId, VmEntry>();
  private readonly guestDomids: GuestDomids;
  /** An earlier process of this VM wrote it. */
  readonly inherited: boolean;

  constructor(private readonly box: RecoveryBox) {
    const before = readSaved(box);
    this.inherited = before !== null;
    this.guestDomids = new GuestDomids(before?.nextGuest ?? FIRST_GUEST_DOMID);
    for (const vm of before?.entries ?? []) this.vms.set(vm.record.domid, vm);
  }

  get(of: DomId): VmEntry | undefined {
    return this.vms.get(of);
  }

  /** The Qemu VM of a guest; null: it has none (any more). */
  emulatorOf(guest: DomId): DomId | null {
    return this.entries().find((vm) => vm.emulates === guest)?.record.domid ?? null;
  }

  entries(): VmEntry[] {
    return [...this.vms.values()].sort((a, b) => a.record.domid - b.record.domid);
  }

  records(): TrustRecord[] {
    return this.entries().map((vm) => vm.record);
  }

  put(vm: VmEntry): void {
    this.vms.set(vm.record.domid, vm);
    this.save();
  }

  remove(of: DomId): void {
    this.vms.delete(of);
    this.save();
  }

  takeGuestDomid(isFree: (domid: DomId) => boolean): DomId | null {
    const taken = this.guestDomids.take((candidate) => !this.vms.has(candidate) && isFree(candidate));
    this.save();
    return taken;
  }

  private save(): void {
    const content: z.infer<typeof saved> = { nextGuest: this.guestDomids.position, entries: this.entries() };
    this.box.write(new TextEncoder().encode(JSON.stringify(content)));
  }
}

/** A box that makes no sense is Builder's own bug or worse: better no Builder than one that forgets whom it trusts. */
function readSaved(box: RecoveryBox): z.infer<typeof saved> | null {
  const bytes = box.read();
  return bytes && z.parse(saved, JSON.parse(new TextDecoder().decode(bytes)));
}
