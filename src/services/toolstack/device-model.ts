/**
 * A guest's Qemu VM, as Toolstack talks to it. It is as trustworthy as its guest: what it sends is checked, bounded and believed of that guest
 * alone. One that sends nonsense, is silent for too long, or has ended has failed, and its guest counts as crashed.
 */
import * as z from 'zod/mini';
import {
  DEVICE_MODEL_LINK,
  type deviceModelMethods,
  deviceModelNotifications,
  type Machine,
  SHOT_PART_BYTES,
  screenPart,
  screenShot,
} from '../../contracts/device-model.ts';
import { bytesToText, textToBytes } from '../../contracts/toolstack.ts';
import type { MessageLink } from '../../kit/link.ts';
import { type AcceptedLinks, acceptLinks } from '../../kit/link-accept.ts';
import type { LinkPorts } from '../../kit/link-offer.ts';
import { RpcError, type RpcMethod, type RpcPeer, rpcMethod, rpcPeer } from '../../kit/rpc.ts';
import type { Clock, DomainControl, DomId, Log } from '../../xen/ports.ts';
import type { ConsoleLine, LineEvents } from './console-line.ts';
import { printable } from './printable.ts';
import { type ScreenSession, ScreenSessions, type ScreenWatcher } from './screen-sessions.ts';
import { Serial } from './serial.ts';

/** The boot of a kernel, under an emulated processor at worst. */
export const LINK_TIMEOUT_MS = 90_000;
/** QEMU's own start, and all of its devices. */
export const START_TIMEOUT_MS = 90_000;
export const ANSWER_TIMEOUT_MS = 45_000;
/** A link that was closed is offered anew, or the Qemu VM has failed. */
export const LINK_LOST_MS = 30_000;
export const LINKS_MAX = 16;
/** A guest can make its machine do these things without end. */
export const LINES_LOGGED_MAX = 100;
const SERIAL_BYTES_MAX = 4096;
const PNG_SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

export interface DeviceModelPorts extends LinkPorts {
  readonly clock: Clock;
  readonly domains: Pick<DomainControl, 'info'>;
  readonly log: Log;
}

interface Conversation {
  readonly link: MessageLink;
  readonly peer: RpcPeer;
}

export class DeviceModel {
  private links: AcceptedLinks | null = null;
  private linkCount = 0;
  private conversation: Conversation | null = null;
  private onLinked: () => void = () => {};
  /** Whoever waits for something, called when it will not come. */
  private readonly waiting = new Set<() => void>();
  private cancelLoss: () => void = () => {};
  private failed: string | null = null;
  private closed = false;
  private linesLogged = 0;
  private serial: LineEvents | null = null;
  private serialBusy = false;
  private readonly screens = new ScreenSessions({
    open: async (session) => void (await this.call('screen.open', { session }, z.unknown())),
    notify: (method, params) => this.conversation?.peer.notify(method, params),
    drained: () => this.conversation?.link.drained() ?? Promise.resolve(),
  });
  private readonly shots = new Serial();

  /** `guest`: the name, for messages. `onFailed` is called once. */
  constructor(
    private readonly ports: DeviceModelPorts,
    readonly domid: DomId,
    private readonly guest: string,
    private readonly onFailed: () => void,
  ) {}

  /** Why it is of no use any more; null: it works, as far as anybody knows. */
  get failure(): string | null {
    return this.failed;
  }

  /** `renew`: an earlier process of this VM has talked with it already. */
  async accept(renew: boolean): Promise<void> {
    if (renew) this.expectLink('it does not offer a new one');
    this.links = await acceptLinks(
      this.ports,
      { name: DEVICE_MODEL_LINK, client: this.domid, renew },
      (link) => this.take(link),
      (line) => this.log(line),
    );
    if (this.closed || this.failed !== null) await this.links.close();
    // Whatever happened before somebody watched.
    this.look();
  }

  /** Resolves when the guest may run. */
  async start(machine: Machine): Promise<void> {
    await this.linked();
    await this.call('machine.start', machine, z.unknown(), START_TIMEOUT_MS);
  }

  async changeMedium(name: string, device: string | null): Promise<void> {
    await this.call('media.change', { name, device }, z.unknown());
  }

  /** A PNG. The Qemu VM keeps one at a time. */
  screenshot(): Promise<Uint8Array> {
    return this.shots.run(async () => {
      const { bytes } = await this.call('screen.shot', {}, screenShot);
      const shot = new Uint8Array(bytes);
      for (let offset = 0; offset < bytes; offset += SHOT_PART_BYTES) {
        const part = textToBytes((await this.call('screen.part', { offset }, screenPart)).data);
        if (part.length !== Math.min(SHOT_PART_BYTES, bytes - offset)) throw this.nonsense('screen.part');
        shot.set(part, offset);
      }
      if (PNG_SIGNATURE.some((byte, index) => shot[index] !== byte)) throw this.nonsense('screen.shot');
      return shot;
    });
  }

  openScreen(watcher: ScreenWatcher): Promise<ScreenSession> {
    return this.screens.open(watcher);
  }

  /** The guest's serial port, for its console. */
  openSerial(events: LineEvents): ConsoleLine {
    this.serial = events;
    return {
      put: (bytes) => this.putSerial(bytes),
      close: () => {
        this.serial = null;
      },
    };
  }

  /** Xen knows whether it lives. */
  look(): void {
    const info = this.ports.domains.info(this.domid);
    if (!info || info.dying) this.fail('it is gone');
    else if (info.shutdown !== null) this.fail(`it has ended (${info.shutdown})`);
  }

  /** Lets go of it, and tells whoever waits for it so. Unmaps its page: a dead domain is not gone before that. */
  async close(): Promise<void> {
    this.closed = true;
    this.letGo();
    await this.links?.close();
  }

  private take(link: MessageLink): void {
    this.cancelLoss();
    this.linkCount += 1;
    if (this.linkCount > LINKS_MAX) {
      link.close();
      this.fail('it offers its link again and again');
      return;
    }
    this.conversation = { link, peer: rpcPeer(link, this.notifications()) };
    link.onClosed((why) => this.lost(link, why));
    this.onLinked();
    this.serial?.room();
  }

  private lost(link: MessageLink, why: string): void {
    if (this.conversation?.link !== link) return;
    this.conversation = null;
    this.screens.endAll();
    if (this.closed || this.failed !== null) return;
    this.log(`its link is lost: ${why}`);
    this.expectLink(`its link is lost (${why})`);
  }

  private expectLink(orElse: string): void {
    this.cancelLoss();
    this.cancelLoss = this.ports.clock.after(LINK_LOST_MS, () => this.fail(orElse));
  }

  private linked(): Promise<void> {
    return this.within(LINK_TIMEOUT_MS, 'its start', (done) => {
      this.onLinked = done;
      if (this.conversation) done();
    });
  }

  private async call<S extends z.core.$ZodType>(
    method: keyof typeof deviceModelMethods,
    params: object,
    schema: S,
    timeoutMs = ANSWER_TIMEOUT_MS,
  ): Promise<z.output<S>> {
    const { conversation } = this;
    if (!conversation) throw this.error(this.failed ?? 'its link is lost');
    const answer = await this.within<unknown>(timeoutMs, method, (done, refuse) =>
      conversation.peer.call(method, params, timeoutMs).then(done, (error) => refuse(this.translated(method, error))),
    );
    const parsed = z.safeParse(schema, answer);
    if (!parsed.success) throw this.nonsense(method);
    return parsed.data;
  }

  /** Ends with what `begin` calls, in time, or with the end of this Qemu VM. */
  private within<T = void>(
    timeoutMs: number,
    what: string,
    begin: (done: (value: T) => void, refuse: (error: Error) => void) => void,
  ): Promise<T> {
    let cancel = (): void => {};
    let wake = (): void => {};
    const ended = new Promise<T>((resolve, reject) => {
      cancel = this.ports.clock.after(timeoutMs, () =>
        reject(this.error(`${what}: no answer in ${timeoutMs / 1000} s`)),
      );
      wake = () => reject(this.error(this.failed ?? 'its guest is removed'));
      this.waiting.add(wake);
      if (this.failed !== null || this.closed) wake();
      else begin(resolve, reject);
    });
    return ended.finally(() => {
      cancel();
      this.waiting.delete(wake);
    });
  }

  private translated(method: string, error: unknown): RpcError {
    if (!(error instanceof RpcError)) return this.error(String(error));
    if (error.code === 'sessions-full') return new RpcError('busy', `guest ${this.guest}: ${printable(error.message)}`);
    return this.error(`${method}: ${printable(error.message)}`);
  }

  private error(why: string): RpcError {
    return new RpcError('device-model-failed', `guest ${this.guest}: Qemu VM (domain ${this.domid}): ${why}`);
  }

  private nonsense(what: string): RpcError {
    this.fail(`it sends nonsense (${what})`);
    return this.error(this.failed ?? what);
  }

  private fail(why: string): void {
    if (this.failed !== null || this.closed) return;
    this.failed = why;
    this.ports.log(`guest ${this.guest}: Qemu VM (domain ${this.domid}) is over: ${why}`);
    this.letGo();
    this.links?.close().catch((error: unknown) => this.log(String(error)));
    this.onFailed();
  }

  private letGo(): void {
    this.cancelLoss();
    this.screens.endAll();
    for (const wake of [...this.waiting]) wake();
    this.conversation?.link.close();
    this.conversation = null;
  }

  private notifications(): Record<keyof typeof deviceModelNotifications, RpcMethod> {
    const checked = <N extends keyof typeof deviceModelNotifications>(
      name: N,
      run: (params: z.output<(typeof deviceModelNotifications)[N]>) => void,
    ): RpcMethod =>
      rpcMethod(z.unknown(), (params) => {
        const parsed = z.safeParse(deviceModelNotifications[name] as z.core.$ZodType, params);
        if (parsed.success) run(parsed.data as z.output<(typeof deviceModelNotifications)[N]>);
        else this.fail(`it sends nonsense (${name})`);
      });
    return {
      'serial.data': checked('serial.data', ({ data }) => this.serial?.output(textToBytes(data))),
      'screen.data': checked('screen.data', (data) => this.screens.data(data)),
      'screen.closed': checked('screen.closed', ({ session }) => this.screens.end(session)),
      'machine.event': checked('machine.event', ({ what }) => {
        this.log(`machine: ${what}`);
        if (what === 'crashed') this.fail('QEMU has ended');
      }),
    };
  }

  /** The next bytes when it has taken these: no queue grows. */
  private putSerial(bytes: Uint8Array): number {
    if (!this.conversation || this.serialBusy || bytes.length === 0) return 0;
    const { peer, link } = this.conversation;
    const taken = bytes.subarray(0, SERIAL_BYTES_MAX);
    peer.notify('serial.data', { data: bytesToText(taken) });
    this.serialBusy = true;
    void link.drained().then(() => {
      this.serialBusy = false;
      this.serial?.room();
    });
    return taken.length;
  }

  private log(line: string): void {
    this.linesLogged += 1;
    if (this.linesLogged > LINES_LOGGED_MAX) return;
    const last = this.linesLogged === LINES_LOGGED_MAX ? ' (it has said enough: this is its last line here)' : '';
    this.ports.log(`guest ${this.guest}: Qemu VM (domain ${this.domid}): ${line}${last}`);
  }
}
