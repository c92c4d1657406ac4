/** For tests: a Qemu VM in memory, with a QEMU that does what a test says, and Toolstack at the other end of the link. */
import * as z from 'zod/mini';
import { DEVICE_MODEL_LINK } from '../../../contracts/device-model.ts';
import { TOOLSTACK_DOMID } from '../../../contracts/domids.ts';
import { QEMU_DEVICE } from '../../../contracts/qemu-volume.ts';
import { FakeFiles, FakeNetwork, FakeUevents } from '../../../kit/fake-driver-vm.ts';
import type { MessageLink } from '../../../kit/link.ts';
import { type AcceptedLinks, acceptLinks } from '../../../kit/link-accept.ts';
import { RpcError, type RpcPeer, rpcPeer } from '../../../kit/rpc.ts';
import { streamPair } from '../../../xen/memory/byte-stream.ts';
import { MemoryXen } from '../../../xen/memory/memory-xen.ts';
import {
  type ByteStream,
  PortError,
  type ProcessEnd,
  type ProcessOptions,
  type RunningProcess,
} from '../../../xen/ports.ts';
import { runQemu } from '../qemu.ts';
import { insideRoot, outside } from '../root.ts';

export const DOMID = 17;
const CAPACITY = { capacityBytes: 1 << 20 };
const anything = z.record(z.string(), z.unknown());

/** QEMU's process and its sockets. `answers` by command; what is not there is answered with `{}`. */
export class FakeQemu {
  argv: readonly string[] = [];
  options: ProcessOptions = {};
  /** Which of Xen's devices it may open, as it has come up and as it says that it is ready. */
  readonly mayOpen: boolean[] = [];
  readonly commands: { execute: string; arguments: Record<string, unknown> }[] = [];
  answers: Record<string, () => object> = {};
  /** The other ends of what this service has connected to. */
  readonly sockets = new Map<string, ByteStream[]>();
  private finish: (end: ProcessEnd) => void = () => undefined;
  private monitor: ByteStream | null = null;

  constructor(private readonly files: FakeFiles) {}

  start = (argv: readonly string[], options: ProcessOptions = {}): RunningProcess => {
    this.argv = argv;
    this.options = options;
    for (const socket of ['qmp', 'vnc', 'serial'] as const) this.files.add(outside(insideRoot[socket]), '', 'socket');
    this.note();
    return { ended: new Promise((resolve) => (this.finish = resolve)), kill: () => this.end(null, 9) };
  };

  connect = (path: string): ByteStream => {
    if (!this.files.stat(path)) throw new PortError('ENOENT', 'connect', path);
    const [ours, theirs] = streamPair(CAPACITY);
    const name = path.slice(path.lastIndexOf('/') + 1);
    this.sockets.set(name, [...(this.sockets.get(name) ?? []), theirs]);
    if (name === 'qmp') this.serveMonitor(theirs);
    return ours;
  };

  says(text: string): void {
    this.options.output?.(new TextEncoder().encode(text));
  }

  tells(event: string, data: object = {}): void {
    this.answer({ event, data });
  }

  end(status: number | null, signal: number | null = null): void {
    this.monitor?.close();
    this.finish({ status, signal });
  }

  private serveMonitor(stream: ByteStream): void {
    this.monitor = stream;
    this.answer({ QMP: {} });
    let text = '';
    stream.onReadable(() => {
      text += new TextDecoder().decode(stream.read(65_536) ?? new Uint8Array(0));
      const lines = text.split('\n');
      text = lines.pop()!;
      for (const line of lines) this.obey(JSON.parse(line));
    });
  }

  private obey(command: { execute: string; arguments: Record<string, unknown>; id: number }): void {
    const { id, ...asked } = command;
    this.commands.push(asked);
    if (asked.execute === 'qmp_capabilities') this.note();
    this.answer({ ...(this.answers[asked.execute]?.() ?? { return: {} }), id });
  }

  private answer(message: object): void {
    this.monitor?.write(new TextEncoder().encode(`${JSON.stringify(message)}\n`));
  }

  private note(): void {
    this.mayOpen.push(this.files.tree.get(outside('/dev/xen/privcmd'))?.mode === 0o666);
  }
}

/** Linux's nodes are there when their file system is mounted. */
class VmFiles extends FakeFiles {
  override mount(source: string, target: string, type: string): void {
    super.mount(source, target, type);
    if (type !== 'devtmpfs') return;
    for (const node of ['xen/privcmd', 'xen/evtchn', 'xen/xenbus', 'net/tun']) {
      this.add(`${target}/${node}`, '', 'char');
      this.chmod(`${target}/${node}`, 0o600);
    }
  }
}

export class FakeVm {
  readonly xen = new MemoryXen();
  private readonly domain = this.xen.add(DOMID);
  private readonly toolstack = this.xen.add(TOOLSTACK_DOMID);
  readonly files = new VmFiles();
  readonly uevents = new FakeUevents();
  readonly network = new FakeNetwork(this.files);
  readonly qemu = new FakeQemu(this.files);
  readonly logged: string[] = [];
  readonly notified: { method: string; params: Record<string, unknown> }[] = [];
  /** What a stream of `open` holds. */
  screen: Uint8Array = new Uint8Array(0);
  poweredOff = false;
  links: MessageLink[] = [];
  peer: RpcPeer | null = null;
  private accepted: AcceptedLinks | null = null;

  addDisk(name: string): void {
    this.files.add(`/sys/block/${name}/size`);
    if (name !== QEMU_DEVICE) this.files.add(outside(`/dev/${name}`), '', 'block');
    this.uevents.announce();
  }

  addCard(index: number, name: string): void {
    this.files.add(`/sys/devices/vif-${index}/net/${name}/address`);
    this.uevents.announce();
  }

  modeOf(node: string): number | undefined {
    return this.files.tree.get(outside(`/dev/${node}`))?.mode;
  }

  /** The service, with its files there and Toolstack at its link. */
  async run(): Promise<void> {
    await this.listen(false);
    this.addDisk(QEMU_DEVICE);
    await this.runService();
    await this.xen.settle();
  }

  /** Its process ends and another one takes its place, which wants a new offer. */
  async restartToolstack(): Promise<void> {
    await this.accepted?.close();
    await this.listen(true);
  }

  runService(): Promise<void> {
    const { files, uevents, network, qemu } = this;
    return runQemu({
      files,
      uevents,
      network,
      clock: this.xen.clock,
      store: this.domain.xenstore,
      grants: this.domain.grants,
      eventChannels: this.domain.eventChannels,
      processes: { start: qemu.start, run: () => Promise.reject(new Error('nobody runs anything else')) },
      streams: {
        connect: qemu.connect,
        open: () => {
          const [ours, theirs] = streamPair({ capacityBytes: 1 << 24 });
          theirs.write(this.screen);
          theirs.close();
          return ours;
        },
        listen: () => () => undefined,
      },
      power: {
        off: () => {
          this.poweredOff = true;
        },
      },
      log: (line) => this.logged.push(line),
    });
  }

  /** The answer, or the word of the refusal. */
  async ask(method: string, params: object = {}): Promise<unknown> {
    const answer = this.peer!.call(method, params, 300_000).catch((error: unknown) => {
      if (error instanceof RpcError) return error.code;
      throw error;
    });
    await this.xen.settle();
    return answer;
  }

  private async listen(renew: boolean): Promise<void> {
    const offer = { name: DEVICE_MODEL_LINK, client: DOMID, renew };
    this.accepted = await acceptLinks(this.toolstack, offer, (link) => this.accept(link));
  }

  private accept(link: MessageLink): void {
    this.links.push(link);
    const told = (method: string) => ({
      params: anything,
      run: (params: unknown) => void this.notified.push({ method, params: params as Record<string, unknown> }),
    });
    const methods = ['serial.data', 'screen.data', 'screen.closed', 'machine.event'];
    this.peer = rpcPeer(link, Object.fromEntries(methods.map((method) => [method, told(method)])));
  }
}
