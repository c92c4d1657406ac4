/** For tests of BlkBack and NetBack: the Linux of a driver VM in memory, as far as they see it. Xen itself is in src/xen/memory. */
import { type FileStat, type Files, type LoopDevices, type Network, PortError, type Uevents } from '../xen/ports.ts';

interface FakeFile {
  kind: FileStat['kind'];
  content: string;
  size: number;
  allocated: number;
  mode?: number;
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

  chmod(path: string, mode: number): void {
    this.get(path, 'chmod').mode = mode;
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
    this.files.add(`/sys/class/net/${bridge}/brif/${name}`, name, 'link');
    this.ports.push(name);
  }

  /** Linux takes an interface away, off its bridge first. */
  removeInterface(bridge: string, name: string): void {
    this.files.remove(`/sys/class/net/${bridge}/brif/${name}`);
    this.files.removeDirectory(`/sys/class/net/${name}`);
  }

  up(name: string): void {
    this.upInterfaces.add(name);
  }

  createTap(name: string): void {
    this.files.add(`/sys/class/net/${name}/tun_flags`);
  }
}
