/** Pages of the in-memory Xen: frames of domains, grants of them to others, and the mappings that keep a dead domain's pages alive. */
import {
  DOMID_SELF,
  type DomId,
  type ForeignMemory,
  type GrantRef,
  type Grants,
  PortError,
  type SharedRegion,
} from '../ports.ts';

export const PAGE_BYTES = 4096;

type Page = Uint8Array<ArrayBuffer>;
interface Grant {
  readonly page: Page;
  readonly to: DomId;
  readonly writable: boolean;
}
interface Kept {
  readonly refs: readonly GrantRef[];
  readonly pages: readonly Page[];
}
interface DomainMemory {
  kept: Kept | null;
  readonly frames: Map<number, Page>;
  readonly grants: Map<GrantRef, Grant>;
  nextGfn: number;
  nextRef: GrantRef;
}
interface Mapping {
  readonly by: DomId;
  readonly of: DomId;
}

/** libxenguest keeps 0 and 1 for console and store; Linux hands out references from 8 on. */
const FIRST_FREE_REF = 8;
const FIRST_GFN = 0x1000;

export class MemoryTable {
  private readonly domains = new Map<DomId, DomainMemory>();
  private readonly mappings = new Set<Mapping>();

  /** `onUnmap`: a dead domain may be gone now. */
  constructor(private readonly onUnmap: () => void) {}

  addDomain(domid: DomId): void {
    this.domains.set(domid, {
      kept: null,
      frames: new Map(),
      grants: new Map(),
      nextGfn: FIRST_GFN,
      nextRef: FIRST_FREE_REF,
    });
  }

  /** What the domain had mapped is unmapped; its own pages live on in those who still map them. */
  removeDomain(domid: DomId): void {
    this.domains.delete(domid);
    for (const mapping of this.mappings) if (mapping.by === domid) this.mappings.delete(mapping);
  }

  /** What the domain's program had mapped and shared; its kernel lives on. */
  endProgram(domid: DomId): void {
    for (const mapping of this.mappings) if (mapping.by === domid) this.mappings.delete(mapping);
    const { grants, kept } = this.memory(domid);
    for (const ref of [...grants.keys()]) if (ref >= FIRST_FREE_REF && !kept?.refs.includes(ref)) grants.delete(ref);
  }

  /** Other domains that still map pages of `domid`. */
  mappedBy(domid: DomId): DomId[] {
    return [...this.mappings].flatMap(({ by, of }) => (of === domid && by !== domid ? [by] : []));
  }

  /** Open mappings and shares of the domain's program. */
  openRegions(domid: DomId): number {
    const shares = [...(this.domains.get(domid)?.grants.keys() ?? [])].filter((ref) => ref >= FIRST_FREE_REF);
    return [...this.mappings].filter(({ by }) => by === domid).length + shares.length;
  }

  /** A fresh page of the domain, granted under a reference that the domain builder chose. */
  seed(domid: DomId, ref: GrantRef, to: DomId): { gfn: number; region: SharedRegion } {
    const memory = this.memory(domid);
    const page = new Uint8Array(PAGE_BYTES);
    const gfn = memory.nextGfn++;
    memory.frames.set(gfn, page);
    memory.grants.set(ref, { page, to, writable: true });
    return { gfn, region: new Region([page], true, () => undefined) };
  }

  grantsOf(domid: DomId): Grants {
    return {
      map: (of, refs, writable) => {
        const pages = refs.map((ref) => this.granted(domid, of, ref, writable));
        return this.mapped(domid, of, pages, writable);
      },
      share: (to, count, writable) => {
        const memory = this.memory(domid);
        const { pages, refs } = granted(memory, to, count, writable);
        const region = new Region(pages, true, () => {
          for (const ref of refs) memory.grants.delete(ref);
        });
        return { region, refs };
      },
      keep: (to, count) => {
        const memory = this.memory(domid);
        memory.kept ??= granted(memory, to, count, true);
        const { pages, refs } = memory.kept;
        if (pages.length !== count) throw new PortError('EBUSY', 'grantKeep', `${pages.length} pages are kept already`);
        return { region: new Region(pages, true, () => undefined), refs };
      },
    };
  }

  foreignOf(domid: DomId): ForeignMemory {
    return {
      map: (asked, gfns, writable) => {
        const of = asked === DOMID_SELF ? domid : asked;
        const frames = this.memory(of).frames;
        const pages = gfns.map((gfn) => {
          const page = frames.get(gfn);
          if (!page) throw new PortError('EFAULT', 'foreignMap', `frame ${gfn} of domain ${of}`);
          return page;
        });
        return this.mapped(domid, of, pages, writable);
      },
    };
  }

  private mapped(by: DomId, of: DomId, pages: Page[], writable: boolean): SharedRegion {
    const mapping = { by, of };
    this.mappings.add(mapping);
    return new Region(pages, writable, () => {
      this.mappings.delete(mapping);
      this.onUnmap();
    });
  }

  private granted(by: DomId, of: DomId, ref: GrantRef, writable: boolean): Page {
    const grant = this.memory(of).grants.get(ref);
    if (!grant || grant.to !== by || (writable && !grant.writable))
      throw new PortError('EACCES', 'grantMap', `reference ${ref} of domain ${of}`);
    return grant.page;
  }

  private memory(domid: DomId): DomainMemory {
    const memory = this.domains.get(domid);
    if (!memory) throw new PortError('ESRCH', 'memory', `domain ${domid}`);
    return memory;
  }
}

function granted(memory: DomainMemory, to: DomId, count: number, writable: boolean): Kept {
  const pages = Array.from({ length: count }, () => new Uint8Array(PAGE_BYTES));
  const refs = pages.map((page) => {
    memory.grants.set(memory.nextRef, { page, to, writable });
    return memory.nextRef++;
  });
  return { pages, refs };
}

class Region implements SharedRegion {
  private open = true;

  constructor(
    private readonly pages: readonly Page[],
    private readonly writable: boolean,
    private readonly onClose: () => void,
  ) {}

  get size(): number {
    return this.pages.length * PAGE_BYTES;
  }

  read(offset: number, length: number): Uint8Array {
    this.check(offset, length, false);
    const bytes = new Uint8Array(length);
    for (const { at, inPage, end } of this.runs(offset, length))
      bytes.set(this.page(offset + at).subarray(inPage, inPage + end - at), at);
    return bytes;
  }

  write(offset: number, bytes: Uint8Array): void {
    this.check(offset, bytes.length, true);
    for (const { at, inPage, end } of this.runs(offset, bytes.length))
      this.page(offset + at).set(bytes.subarray(at, end), inPage);
  }

  load32(offset: number): number {
    this.check(offset, 4, false, 4);
    return new DataView(this.page(offset).buffer).getUint32(offset % PAGE_BYTES, true);
  }

  store32(offset: number, value: number): void {
    this.check(offset, 4, true, 4);
    new DataView(this.page(offset).buffer).setUint32(offset % PAGE_BYTES, value, true);
  }

  close(): void {
    if (!this.open) throw new PortError('EINVAL', 'regionClose', 'closed before');
    this.open = false;
    this.onClose();
  }

  /** The parts of a transfer that lie in one page each. */
  private *runs(offset: number, length: number): Iterable<{ at: number; inPage: number; end: number }> {
    for (let at = 0; at < length; ) {
      const inPage = (offset + at) % PAGE_BYTES;
      const end = Math.min(length, at + PAGE_BYTES - inPage);
      yield { at, inPage, end };
      at = end;
    }
  }

  private page(offset: number): Page {
    return this.pages[Math.floor(offset / PAGE_BYTES)] ?? new Uint8Array(0);
  }

  private check(offset: number, length: number, write: boolean, alignment = 1): void {
    const inside = offset >= 0 && length >= 0 && offset + length <= this.size && offset % alignment === 0;
    if (!this.open || !inside) throw new PortError('EINVAL', 'region', `offset ${offset}, length ${length}`);
    if (write && !this.writable) throw new PortError('EACCES', 'region', 'mapped read-only');
  }
}
