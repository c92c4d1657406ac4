/** Looks at nodes in the pages that State shows (src/contracts/xenstore-contents.ts), as State would answer. Pages that make no sense fail the handler. */
import {
  bucketOffset,
  bucketsIn,
  connectionKey,
  connectionValue,
  hashOf,
  MISSING_OFFSET,
  RecordView,
} from '../../contracts/xenstore-contents.ts';
import { isSpecial, parentOf, ROOT } from '../../contracts/xenstore-paths.ts';
import {
  CHILDREN_BYTES_MAX,
  type Permissions,
  type StateAnswer,
  type StateRequest,
} from '../../contracts/xenstore-state.ts';
import { decode } from '../../wire/binary.ts';
import { encodeText } from '../../wire/xenstore-message.ts';
import type { SharedRegion } from '../../xen/ports.ts';

/** With a full table a chain has three records; a longer one than this is a loop. */
const CHAIN_MAX = 10_000;
const NOTHING = new Uint8Array(0);

type Look = StateAnswer<'look'>;
type LookRequest = StateRequest<'look'>;

export class ShownContents {
  private readonly buckets: number;

  /** `ask`: for what only State knows. */
  constructor(
    private readonly pages: SharedRegion,
    readonly ask: (request: LookRequest) => Look,
  ) {
    this.buckets = bucketsIn(pages);
  }

  look(request: LookRequest): Look {
    for (let at = request.path; ; at = parentOf(at)) {
      const record = this.find(at);
      if (record === undefined) return this.ask(request);
      if (record || at === ROOT || isSpecial(at)) return new ShownLook(this, request, record, at);
    }
  }

  connectionOf(domid: number): Pick<Look, 'target'> | null {
    const record = this.find(connectionKey(domid));
    return record ? decode(connectionValue, record.value) : null;
  }

  /** null: there is none, undefined: there may be one that found no room. */
  private find(key: string): RecordView | null | undefined {
    const { pages } = this;
    const hash = hashOf(encodeText(key));
    let at = pages.load32(bucketOffset(this.buckets, hash));
    for (let steps = 0; at !== 0; steps += 1) {
      if (steps > CHAIN_MAX) throw new Error('the pages of xenstore-state have a loop');
      const record = new RecordView(pages, at);
      if (record.hash === hash && record.isOf(key)) return record;
      at = record.next;
    }
    return pages.load32(MISSING_OFFSET) === 0 ? null : undefined;
  }
}

/** Most requests need a part of it: the others are not looked for. */
class ShownLook implements Look {
  readonly outcome = 'ok';
  readonly exact: boolean;
  private foundPermissions: Permissions | null = null;
  private foundTarget: Pick<Look, 'target'> | null = null;

  constructor(
    private readonly contents: ShownContents,
    private readonly request: LookRequest,
    /** null: not even the root is there. */
    private readonly record: RecordView | null,
    private readonly foundAt: string,
  ) {
    this.exact = record !== null && foundAt === request.path;
  }

  get parentExists(): boolean {
    return this.exact || (this.record !== null && this.foundAt === parentOf(this.request.path));
  }

  get permissions(): Permissions {
    this.foundPermissions ??= this.record?.permissions ?? [];
    return this.foundPermissions;
  }

  get generation(): number {
    return this.record?.generation ?? 0;
  }

  get value(): Uint8Array {
    return this.record && this.exact && this.request.value ? this.record.value : NOTHING;
  }

  get childrenBytes(): number {
    return this.record && this.exact && this.request.childrenFrom !== null ? this.record.childrenBytes : 0;
  }

  get children(): Uint8Array {
    const { childrenFrom } = this.request;
    if (!this.record || !this.exact || childrenFrom === null) return NOTHING;
    return this.record.children(childrenFrom, CHILDREN_BYTES_MAX);
  }

  get target(): number | null {
    this.foundTarget ??= this.contents.connectionOf(this.request.domid) ?? this.contents.ask(this.request);
    return this.foundTarget.target;
  }
}
