/**
 * For tests of BlkBack and NetBack: a driver VM's surroundings in memory. XenStore, a file tree with sysfs in it, loop devices,
 * bridges, and the side of Linux's back end drivers that XenStore shows.
 */
import {
  type Clock,
  type FileStat,
  type Files,
  type LoopDevices,
  type Network,
  PortError,
  type Uevents,
} from '../xen/ports.ts';
import type { NodePermission, XenStore, XenStoreWriter } from '../xen/xenstore-port.ts';

/** Lets everything run that is ready to run. */
export const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

export class FakeXenStore implements XenStore {
  readonly nodes = new Map<string, string>();
  readonly watches = new Set<{ readonly path: string; readonly handler: (changed: string) => void }>();

  async read(path: string): Promise<string | null> {
    return this.nodes.get(path) ?? null;
  }

  async list(path: string): Promise<string[] | null> {
    const children = new Set<string>();
    for (const node of this.nodes.keys())
      if (node.startsWith(`${path}/`)) children.add(node.slice(path.length + 1).split('/')[0]!);
    return children.size > 0 || this.nodes.has(path) ? [...children].sort() : null;
  }

  async write(path: string, value: string): Promise<void> {
    this.nodes.set(path, value);
    this.fire(path);
  }

  async mkdir(path: string): Promise<void> {
    if (!this.nodes.has(path)) await this.write(path, '');
  }

  async remove(path: string): Promise<void> {
    for (const node of [...this.nodes.keys()])
      if (node === path || node.startsWith(`${path}/`)) this.nodes.delete(node);
    this.fire(path);
  }

  async setPermissions(): Promise<void> {}

  async permissions(): Promise<NodePermission[] | null> {
    return null;
  }

  async watch(path: string, handler: (changed: string) => void): Promise<() => Promise<void>> {
    const watch = { path, handler };
    this.watches.add(watch);
    queueMicrotask(() => handler(path));
    return async () => {
      this.watches.delete(watch);
    };
  }

  /** Writes of a transaction are told of together, at its end; it never meets a conflict. */
  async transaction<T>(body: (store: XenStoreWriter) => Promise<T>): Promise<T> {
    const written: string[] = [];
    const result = await body({
      read: (path) => this.read(path),
      list: (path) => this.list(path),
      write: async (path, value) => {
        this.nodes.set(path, value);
        written.push(path);
      },
      mkdir: (path) => this.mkdir(path),
      remove: (path) => this.remove(path),
      setPermissions: () => this.setPermissions(),
      permissions: () => this.permissions(),
    });
    for (const path of written) this.fire(path);
    return result;
  }

  waitFor<T>(): Promise<T> {
    throw new Error('not used by driver VMs');
  }

  async introduce(): Promise<void> {
    throw new PortError('EACCES', 'introduce', 'not this VM');
  }

  async release(): Promise<void> {
    throw new PortError('EACCES', 'release', 'not this VM');
  }

  close(): void {}

  /** Several nodes at once, as Toolstack writes a device. */
  async writeAll(parent: string, nodes: Readonly<Record<string, string>>): Promise<void> {
    await this.transaction(async (store) => {
      for (const [node, value] of Object.entries(nodes)) await store.write(`${parent}/${node}`, value);
    });
  }

  private fire(path: string): void {
    for (const watch of [...this.watches])
      if (path === watch.path || path.startsWith(`${watch.path}/`) || watch.path.startsWith(`${path}/`))
        queueMicrotask(() => this.watches.has(watch) && watch.handler(path));
  }
}

interface FakeFile {
  kind: FileStat['kind'];
  content: string;
  size: number;
  allocated: number;
}

/** Folders exist because something is in them, or because they were made. */
export class FakeFiles implements Files {
  readonly tree = new Map<string, FakeFile>();
  readonly mounts: string[] = [];
  freeBytes = 1024 ** 3;

  /** Puts a file (or, with a target, a link) there. */
  add(path: string, content = '', kind: FileStat['kind'] = 'file'): this {
    this.tree.set(path, { kind, content, size: content.length, allocated: content.length });
    return this;
  }

  read(path: string): Uint8Array {
    if (path === '/proc/self/mounts') return new TextEncoder().encode(this.mounts.join('\n'));
    return new TextEncoder().encode(this.get(path, 'read').content);
  }

  write(path: string, bytes: Uint8Array): void {
    this.add(path, new TextDecoder().decode(bytes));
  }

  stat(path: string): FileStat | null {
    const file = this.tree.get(path);
    if (file) return { kind: file.kind, size: file.size, allocated: file.allocated, major: 0, minor: 0 };
    const isFolder = [...this.tree.keys()].some((other) => other.startsWith(`${path}/`));
    return isFolder ? { kind: 'directory', size: 0, allocated: 0, major: 0, minor: 0 } : null;
  }

  list(path: string): string[] {
    const children = new Set<string>();
    for (const other of this.tree.keys())
      if (other.startsWith(`${path}/`)) children.add(other.slice(path.length + 1).split('/')[0]!);
    return [...children].sort();
  }

  readlink(path: string): string {
    return this.get(path, 'readlink').content;
  }

  makeDirectory(path: string): void {
    this.add(path, '', 'directory');
  }

  remove(path: string): void {
    this.get(path, 'remove');
    this.tree.delete(path);
  }

  removeDirectory(path: string): void {
    for (const other of [...this.tree.keys()])
      if (other === path || other.startsWith(`${path}/`)) this.tree.delete(other);
  }

  rename(from: string, to: string): void {
    this.tree.set(to, this.get(from, 'rename'));
    this.tree.delete(from);
  }

  allocate(path: string, size: number): void {
    this.tree.set(path, { kind: 'file', content: '', size, allocated: 0 });
  }

  space(): { totalBytes: number; freeBytes: number } {
    return { totalBytes: this.freeBytes, freeBytes: this.freeBytes };
  }

  mount(source: string, target: string, type: string): void {
    this.mounts.push(`${source} ${target} ${type}`);
  }

  unmount(target: string): void {
    const index = this.mounts.findIndex((mount) => mount.split(' ')[1] === target);
    if (index < 0) throw new PortError('EINVAL', 'unmount', target);
    this.mounts.splice(index, 1);
  }

  sync(): void {}

  private get(path: string, op: string): FakeFile {
    const file = this.tree.get(path);
    if (!file) throw new PortError('ENOENT', op, path);
    return file;
  }
}

export class FakeUevents implements Uevents {
  readonly listeners = new Set<() => void>();

  listen(changed: () => void): () => void {
    this.listeners.add(changed);
    return () => this.listeners.delete(changed);
  }

  announce(): void {
    for (const changed of [...this.listeners]) changed();
  }
}

/** Loop devices as sysfs shows them. One that Linux's back end holds is detached when that lets go. */
export class FakeLoopDevices implements LoopDevices {
  private readonly held = new Set<string>();
  private readonly autoclear = new Set<string>();

  constructor(
    private readonly files: FakeFiles,
    private readonly uevents: FakeUevents,
  ) {}

  attach(path: string): { path: string; major: number; minor: number } {
    let minor = 0;
    while (this.fileOf(minor) !== null) minor += 1;
    this.files.add(this.node(minor), `${path}\n`);
    return { path: `/dev/loop${minor}`, major: 7, minor };
  }

  detach(path: string): void {
    const minor = Number(path.slice('/dev/loop'.length));
    if (this.fileOf(minor) === null) throw new PortError('ENXIO', 'loopDetach', path);
    if (this.held.has(path)) this.autoclear.add(path);
    else this.files.remove(this.node(minor));
  }

  hold(path: string): void {
    this.held.add(path);
  }

  letGo(path: string): void {
    this.held.delete(path);
    if (!this.autoclear.delete(path)) return;
    this.detach(path);
    this.uevents.announce();
  }

  /** The attached files. */
  attached(): string[] {
    return [...Array(16).keys()].map((minor) => this.fileOf(minor)).filter((file) => file !== null);
  }

  private fileOf(minor: number): string | null {
    return this.files.tree.get(this.node(minor))?.content.trimEnd() ?? null;
  }

  private node(minor: number): string {
    return `/sys/block/loop${minor}/loop/backing_file`;
  }
}

export class FakeNetwork implements Network {
  readonly upInterfaces = new Set<string>();
  readonly ports: string[] = [];

  constructor(private readonly files: FakeFiles) {}

  createBridge(name: string): void {
    this.files.add(`/sys/class/net/${name}/bridge`, '', 'directory');
  }

  addToBridge(bridge: string, name: string): void {
    if (!this.files.stat(`/sys/class/net/${bridge}/bridge`))
      throw new PortError('ENODEV', 'bridgeAddInterface', bridge);
    this.files.add(`/sys/class/net/${name}/brport`, bridge, 'link');
    this.ports.push(name);
  }

  up(name: string): void {
    this.upInterfaces.add(name);
  }
}

/** Time passes when the test says so. */
export class FakeClock implements Clock {
  private readonly timers = new Set<{ readonly dueMs: number; readonly run: () => void }>();
  private now = 0;

  nowMs(): number {
    return this.now;
  }

  wallClockMs(): number {
    return this.now;
  }

  after(delayMs: number, run: () => void): () => void {
    const timer = { dueMs: this.now + delayMs, run };
    this.timers.add(timer);
    return () => this.timers.delete(timer);
  }

  pass(ms: number): void {
    this.now += ms;
    for (const timer of [...this.timers])
      if (timer.dueMs <= this.now) {
        this.timers.delete(timer);
        timer.run();
      }
  }

  get pending(): number {
    return this.timers.size;
  }
}
