/**
 * XenStore-Logic's handlers and XenStore-State without anything between them: no rings to State, no scheduler, no VM. Events wait in one queue, first
 * come first served as with Xen's; the number of handler runs is the time. For very many requests.
 */
import { BUILDER_DOMID } from '../../src/contracts/domids.ts';
import { serviceCatalogue } from '../../src/contracts/service-catalogue.ts';
import { contentsPages } from '../../src/contracts/xenstore-contents.ts';
import { guestLimits, type Limits } from '../../src/contracts/xenstore-limits.ts';
import { JOURNAL_PAGES, stateChanges } from '../../src/contracts/xenstore-state.ts';
import { Logic } from '../../src/services/xenstore-logic/logic.ts';
import type { LogicPorts } from '../../src/services/xenstore-logic/ports.ts';
import { Contents } from '../../src/services/xenstore-state/contents.ts';
import { answerMessage } from '../../src/services/xenstore-state/messages.ts';
import { SECONDS_MAX } from '../../src/services/xenstore-state/reservations.ts';
import { XenStoreState } from '../../src/services/xenstore-state/state.ts';
import { type Codec, decode } from '../../src/wire/binary.ts';
import { type DomId, type EventPort, PortError, type SharedRegion } from '../../src/xen/ports.ts';
import { FlatRegion } from './flat-region.ts';

/** More than any settling takes: something goes round in circles. */
const RUNS_MAX = 200_000;
const WAKE = 0;

export interface DirectStoreOptions {
  readonly actsAs?: LogicPorts['actsAs'];
  readonly rootOwner?: DomId;
  /** Of State's VM. */
  readonly memoryMib?: number;
  readonly limits?: Limits;
}

/** By the operation's number, with which the answer begins. */
const changeAnswers = new Map<number, Codec<unknown>>(
  Object.values(stateChanges).map(([number, , answer]) => [number, answer]),
);

function isHeld(answer: Uint8Array): boolean {
  const codec = changeAnswers.get(answer[0]!);
  const said = codec && decode(codec, answer.subarray(1));
  return typeof said === 'object' && said !== null && 'outcome' in said && said.outcome === 'held';
}

export class DirectStore {
  readonly log: string[] = [];
  runs = 0;
  /** How often a transaction was reserved for somebody, and how often a change was held for one. */
  readonly fairness = { reserved: 0, held: 0 };
  private box: Uint8Array | null = null;
  private readonly pages = new Map<DomId, SharedRegion>();
  private readonly mapped = new Map<number, SharedRegion>();
  /** Clients' ports, and Logic's at their other ends. */
  private readonly handlers = new Map<EventPort, () => void>();
  private readonly logicPorts = new Map<EventPort, EventPort>();
  private readonly clientPorts = new Map<EventPort, EventPort>();
  private lastNumber = WAKE;
  private readonly queue: { readonly port: EventPort; run(): void }[] = [];
  private readonly pending = new Set<EventPort>();
  private readonly ports: LogicPorts;
  readonly builderPort: EventPort;
  private readonly state: XenStoreState;
  private readonly logic: Logic;

  constructor({
    actsAs = (domid) => domid,
    rootOwner = BUILDER_DOMID,
    memoryMib = serviceCatalogue['xenstore-state'].memoryMib,
    limits = guestLimits,
  }: DirectStoreOptions = {}) {
    const contents = new FlatRegion(contentsPages(memoryMib));
    const journal = new FlatRegion(JOURNAL_PAGES);
    const log = (line: string): unknown => this.log.push(line);
    this.state = new XenStoreState(new Contents(contents), { contents: [], journal: [] }, { rootOwner, limits, log });
    this.ports = {
      ...this.memory(),
      eventChannels: this.channels(),
      state: {
        exchange: (message) => this.exchange(message),
        settle: () => undefined,
        demandSameState: () => undefined,
      },
      contents,
      journal,
      actsAs,
      // Domains neither die nor shut down here.
      domains: () => [...this.pages.keys()].map((domid) => ({ domid, dying: false, shutdown: null })),
      wake: () => this.post(WAKE, () => this.handle(() => this.logic.onWake())),
      startAgain: () => {
        throw new Error('xenstore-logic would start again');
      },
      log,
    };
    this.makePage(BUILDER_DOMID);
    this.builderPort = this.openPort();
    this.logic = new Logic(this.ports);
    this.logic.onStart([{ domid: BUILDER_DOMID, port: this.builderPort }]);
  }

  /** The ring page of a domain. */
  makePage(domid: DomId): SharedRegion {
    const page = new FlatRegion(1);
    this.pages.set(domid, page);
    return page;
  }

  removePage(domid: DomId): void {
    this.pages.delete(domid);
  }

  pageOf(domid: DomId): SharedRegion {
    const page = this.pages.get(domid);
    if (!page) throw new PortError('ESRCH', 'grantMap', `domain ${domid}`);
    return page;
  }

  openPort(handler: () => void = () => undefined): EventPort {
    const port = this.number();
    this.handlers.set(port, handler);
    return port;
  }

  onEvent(port: EventPort, handler: () => void): void {
    this.handlers.set(port, handler);
  }

  closePort(port: EventPort): void {
    this.handlers.delete(port);
    this.clientPorts.delete(this.logicPorts.get(port) ?? WAKE);
    this.logicPorts.delete(port);
  }

  /** What its clients have open. */
  get open(): { readonly pages: number; readonly ports: number } {
    return { pages: this.pages.size, ports: this.handlers.size };
  }

  /** What State would write before its process ends. */
  get snapshotBytes(): number {
    return this.state.save().length;
  }

  get isIdle(): boolean {
    return this.queue.length === 0;
  }

  /** By a client. */
  notify(port: EventPort): void {
    const logicPort = this.logicPorts.get(port);
    if (logicPort !== undefined) this.post(logicPort, () => this.handle(() => this.logic.onEvent(logicPort)));
  }

  /** Until nothing is left to do, however long that takes; `between` is called after every run. */
  settle(between: () => void): void {
    for (let second = 0; second <= SECONDS_MAX; second += 1) {
      this.run(between);
      this.state.answer('aged', {});
      this.logic.onReminder();
    }
    this.run(between);
  }

  /** What there is to do, without waiting for anything. */
  run(between: () => void): void {
    const runsMax = this.runs + RUNS_MAX;
    for (let next = this.queue.shift(); next; next = this.queue.shift()) {
      this.pending.delete(next.port);
      next.run();
      between();
      if (this.runs > runsMax) throw new Error('the store does not come to rest');
    }
  }

  private exchange(message: Uint8Array): Uint8Array {
    const wasReserved = this.state.hasReservation;
    const { answer } = answerMessage(this.state, message, (line) => this.log.push(line));
    if (wasReserved && isHeld(answer)) this.fairness.held += 1;
    else if (!wasReserved && this.state.hasReservation) this.fairness.reserved += 1;
    return answer;
  }

  private handle(handler: () => void): void {
    this.runs += 1;
    handler();
  }

  private post(port: EventPort, run: () => void): void {
    if (this.pending.has(port)) return;
    this.pending.add(port);
    this.queue.push({ port, run });
  }

  private memory(): Pick<LogicPorts, 'box' | 'rings'> {
    return {
      box: {
        read: () => this.box?.slice() ?? null,
        write: (bytes) => {
          this.box = bytes.slice();
        },
      },
      rings: {
        map: (domid) => {
          const ring = this.number();
          this.mapped.set(ring, this.pageOf(domid));
          return ring;
        },
        at: (ring) => this.mapped.get(ring) ?? missing(`ring ${ring}`),
        unmap: (ring) => void (this.mapped.delete(ring) || missing(`ring ${ring}`)),
      },
    };
  }

  private channels(): LogicPorts['eventChannels'] {
    return {
      bindInterdomain: (_, remote) => {
        if (!this.handlers.has(remote) || this.logicPorts.has(remote))
          throw new PortError('EINVAL', 'bindInterdomain', `port ${remote}`);
        const port = this.number();
        this.logicPorts.set(remote, port);
        this.clientPorts.set(port, remote);
        this.notify(remote);
        return port;
      },
      unbind: (port) => {
        this.logicPorts.delete(this.clientPorts.get(port) ?? WAKE);
        this.clientPorts.delete(port);
      },
      notify: (port) => {
        const client = this.clientPorts.get(port);
        if (client !== undefined) this.post(client, () => this.handlers.get(client)?.());
      },
    };
  }

  private number(): number {
    this.lastNumber += 1;
    return this.lastNumber;
  }
}

function missing(what: string): never {
  throw new Error(`xenstore-logic uses ${what}, which is not there`);
}
