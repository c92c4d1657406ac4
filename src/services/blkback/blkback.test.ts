import { beforeEach, describe, expect, it } from 'vitest';
import { attachedNode, startsNode } from '../../contracts/builder.ts';
import {
  VOLUME_ANSWER_BYTES_MAX,
  type VolumeAnswer,
  volumeAnswer,
  volumeAnswerDirectory,
  volumeRequestDirectory,
} from '../../contracts/volumes.ts';
import { FakeFiles, FakeLoopDevices, FakeUevents } from '../../kit/fake-driver-vm.ts';
import { MemoryXen } from '../../xen/memory/memory-xen.ts';
import type { DomId, Streams } from '../../xen/ports.ts';
import type { NodePermission } from '../../xen/xenstore-port.ts';
import { runBlkback, VOLUME_FOLDER } from './blkback.ts';

const BUILDER = 4;
const TOOLSTACK = 5;
const DOMID = 6;
const HOME = `/local/domain/${DOMID}`;
const STATE = `${HOME}/ennead/state`;
const vbd = (frontend: number, id = 51712) => `${HOME}/backend/vbd/${frontend}/${id}`;

class Vm {
  readonly xen = new MemoryXen();
  private readonly builder = this.xen.add(BUILDER).xenstore;
  /** Toolstack has no privilege in XenStore: it may do what Builder's folders let it. */
  readonly toolstack = this.xen.add(TOOLSTACK).xenstore;
  /** The connection of the process that runs now. */
  private store = this.xen.add(DOMID).xenstore;
  readonly files = new FakeFiles();
  readonly uevents = new FakeUevents();
  readonly loopDevices = new FakeLoopDevices(this.files, this.uevents);
  readonly lines: string[] = [];
  poweredOff = false;

  node(path: string): string | undefined {
    return this.xen.xenstore.dump()[path];
  }

  /** What Builder makes before the VM runs: its home, and the folders in which Toolstack works. */
  async furnish(): Promise<void> {
    const folders: [string, DomId, NodePermission][] = [
      [HOME, BUILDER, { domid: DOMID, access: 'read' }],
      [`${HOME}/control`, DOMID, { domid: BUILDER, access: 'none' }],
      [`${HOME}/ennead`, DOMID, { domid: TOOLSTACK, access: 'read' }],
      [`${HOME}/ennead/volume`, DOMID, { domid: TOOLSTACK, access: 'both' }],
      [`${HOME}/ennead/volume/request`, TOOLSTACK, { domid: DOMID, access: 'both' }],
      [`${HOME}/backend`, TOOLSTACK, { domid: DOMID, access: 'both' }],
    ];
    for (const [path, owner, other] of folders) {
      await this.builder.mkdir(path);
      await this.builder.setPermissions(path, [{ domid: owner, access: 'none' }, other]);
    }
    await this.builder.write(`${HOME}/control/shutdown`, '');
  }

  askToShutDown(value: string): Promise<void> {
    return this.builder.write(`${HOME}/control/shutdown`, value);
  }

  /** The process dies, and all it held in XenStore with it; Linux keeps what is Linux's. The next one can be run. */
  endProcess(): void {
    this.store.close();
    this.uevents.listeners.clear();
    this.store = this.xen.xenstore.connect(DOMID);
  }

  addDisk(): void {
    this.files.add('/sys/block/sda/device/subsystem', '../../bus/scsi', 'link');
  }

  run(): Promise<void> {
    const { store, files, uevents, loopDevices } = this;
    const superblock = new Uint8Array(4096);
    superblock.set([0x53, 0xef], 0x438);
    superblock.set(new TextEncoder().encode('ennead'), 0x478);
    const stream = {
      read: () => superblock,
      write: () => 0,
      onReadable: () => {},
      onWritable: () => {},
      close: () => {},
    };
    const streams: Streams = { open: () => stream, listen: () => () => {}, connect: () => stream };
    const power = {
      off: () => {
        this.poweredOff = true;
      },
    };
    return runBlkback({
      store,
      files,
      streams,
      loopDevices,
      uevents,
      clock: this.xen.clock,
      power,
      log: (line) => this.lines.push(line),
    });
  }

  async ask(request: unknown): Promise<VolumeAnswer> {
    await this.toolstack.write(`${volumeRequestDirectory(DOMID)}/1`, JSON.stringify(request));
    await this.xen.settle();
    expect(await this.toolstack.list(volumeRequestDirectory(DOMID))).toEqual([]);
    const answer = volumeAnswer.parse(JSON.parse((await this.toolstack.read(`${volumeAnswerDirectory(DOMID)}/1`))!));
    await this.toolstack.remove(`${volumeAnswerDirectory(DOMID)}/1`);
    return answer;
  }

  async addVbd(frontend: number, params: string, mode: string, id = 51712, more = {}): Promise<string | null> {
    const path = vbd(frontend, id);
    const nodes = {
      frontend: `/local/domain/${frontend}/device/vbd/${id}`,
      'frontend-id': `${frontend}`,
      online: '1',
      state: '2',
      'hotplug-status': '',
      'hotplug-error': '',
      params,
      mode,
      ...more,
    };
    await this.toolstack.transaction(async (store) => {
      await store.mkdir(path);
      await store.setPermissions(path, [
        { domid: TOOLSTACK, access: 'none' },
        { domid: DOMID, access: 'both' },
        { domid: frontend, access: 'read' },
      ]);
      for (const [name, value] of Object.entries(nodes)) await store.write(`${path}/${name}`, value);
    });
    await this.xen.settle();
    return this.outcome(frontend, id);
  }

  /** The reason of a refusal, or the status; what Toolstack sees. */
  async outcome(frontend: number, id = 51712): Promise<string | null> {
    const path = vbd(frontend, id);
    return (await this.toolstack.read(`${path}/hotplug-error`)) || this.toolstack.read(`${path}/hotplug-status`);
  }

  async removeVbd(frontend: number): Promise<void> {
    await this.toolstack.remove(`${HOME}/backend/vbd/${frontend}`);
    await this.xen.settle();
  }
}

async function newVm(): Promise<Vm> {
  const made = new Vm();
  await made.furnish();
  return made;
}

let vm: Vm;

beforeEach(async () => {
  vm = await newVm();
  vm.addDisk();
  await vm.run();
  await vm.ask({ op: 'create', name: 'root', bytes: 1024 ** 2 });
});

describe('start', () => {
  it('mounts the disk and says ready', () => {
    expect(vm.files.mounts).toEqual(['/dev/sda /disk ext4']);
    expect(vm.node(STATE)).toBe('ready');
  });

  it('waits for a disk that comes late', async () => {
    const late = await newVm();
    const running = late.run();
    await vm.xen.settle();
    expect(late.node(STATE)).toBe('starting');
    late.addDisk();
    late.uevents.announce();
    await running;
    expect(late.node(STATE)).toBe('ready');
  });

  it('fails with a reason where there is no disk', async () => {
    const bare = await newVm();
    const running = bare.run();
    const failed = expect(running).rejects.toThrow('no disk');
    await vm.xen.settle();
    await bare.xen.clock.advance(30_000);
    await failed;
    expect(bare.node(STATE)).toMatch(/^failed:.*no disk with an ext4 file system labelled ennead/);
  });
});

describe('a vbd', () => {
  it("gets its volume's loop device", async () => {
    expect(await vm.addVbd(16, 'root', 'w')).toBe('connected');
    expect(vm.node(`${vbd(16)}/physical-device`)).toBe('7:0');
    expect(vm.loopDevices.attached()).toEqual([`${VOLUME_FOLDER}/root.img`]);
  });

  it('has its device number in hexadecimal, as Linux reads it', async () => {
    for (let id = 0; id < 11; id++) await vm.addVbd(16, 'root', 'r', id);
    expect(vm.node(`${vbd(16, 10)}/physical-device`)).toBe('7:a');
  });

  it.each([
    ['missing', 'w', 'there is no volume missing'],
    ['../volumes/root', 'w', 'there is no volume ../volumes/root'],
    ['root', 'w!', 'mode is "w!", not r or w'],
    ['root', '', 'mode is "", not r or w'],
  ])('for %s in mode %s is refused', async (params, mode, why) => {
    expect(await vm.addVbd(16, params, mode)).toBe(why);
    expect(vm.loopDevices.attached()).toEqual([]);
  });

  it('may be written by one front end only, or read by many', async () => {
    expect(await vm.addVbd(16, 'root', 'w')).toBe('connected');
    expect(await vm.addVbd(17, 'root', 'w')).toBe('volume root is in use by domain 16');
    expect(await vm.addVbd(18, 'root', 'r')).toBe('volume root is in use by domain 16');
    await vm.removeVbd(16);
    expect(await vm.addVbd(19, 'root', 'r')).toBe('connected');
    expect(await vm.addVbd(20, 'root', 'r')).toBe('connected');
    expect(await vm.addVbd(21, 'root', 'w')).toBe('volume root is in use by domain 19');
  });

  it('may be written by two front ends that each name the other, and by no third', async () => {
    const shared = (other: number) => ({ 'shared-with': String(other) });
    expect(await vm.addVbd(16, 'root', 'w', 768, shared(17))).toBe('connected');
    expect(await vm.addVbd(18, 'root', 'w', 768, shared(16))).toBe('volume root is in use by domain 16');
    expect(await vm.addVbd(17, 'root', 'w', 51712, shared(16))).toBe('connected');
    expect(await vm.addVbd(19, 'root', 'r')).toBe('volume root is in use by domain 16');
  });

  it('is refused where whom it shares with is no domid', async () => {
    expect(await vm.addVbd(16, 'root', 'w', 768, { 'shared-with': '17 ' })).toBe('shared-with is "17 ", no domid');
  });

  it('leaves no loop device behind', async () => {
    await vm.addVbd(16, 'root', 'w');
    await vm.removeVbd(16);
    expect(vm.loopDevices.attached()).toEqual([]);
  });

  it('waits for a volume whose former writer Linux has not let go yet', async () => {
    await vm.addVbd(16, 'root', 'w');
    vm.loopDevices.hold('/dev/loop0');
    await vm.removeVbd(16);
    expect(await vm.addVbd(17, 'root', 'w')).toBe('');
    vm.loopDevices.letGo('/dev/loop0');
    await vm.xen.settle();
    expect(await vm.outcome(17)).toBe('connected');
    expect(vm.loopDevices.attached()).toHaveLength(1);
  });

  it('is counted for Toolstack until Linux has let go of its loop device', async () => {
    const count = () => vm.toolstack.read(attachedNode(DOMID));
    await vm.addVbd(16, 'root', 'w');
    expect(await count()).toBe('1');
    vm.loopDevices.hold('/dev/loop0');
    await vm.removeVbd(16);
    expect(await count()).toBe('1');
    vm.loopDevices.letGo('/dev/loop0');
    await vm.xen.settle();
    expect(await count()).toBe('0');
  });
});

describe('a second process in the same VM', () => {
  it('is counted, keeps what is attached, ends what is no longer wanted, and does not mount twice', async () => {
    await vm.ask({ op: 'create', name: 'data', bytes: 512 });
    await vm.addVbd(16, 'root', 'w');
    await vm.addVbd(17, 'data', 'w');
    vm.endProcess();
    await vm.toolstack.remove(`${HOME}/backend/vbd/17`);
    await vm.run();
    expect(vm.files.mounts).toHaveLength(1);
    expect(vm.node(startsNode(DOMID))).toBe('2');
    expect(vm.loopDevices.attached()).toEqual([`${VOLUME_FOLDER}/root.img`]);
    expect(await vm.addVbd(18, 'root', 'w')).toBe('volume root is in use by domain 16');
    await vm.removeVbd(16);
    expect(vm.loopDevices.attached()).toEqual([]);
  });

  it('does not believe a physical-device that is another volume', async () => {
    await vm.ask({ op: 'create', name: 'data', bytes: 512 });
    await vm.addVbd(16, 'root', 'w');
    vm.endProcess();
    await vm.toolstack.write(`${vbd(16)}/params`, 'data');
    await vm.run();
    expect(await vm.outcome(16)).toBe('physical-device is not volume data');
  });
});

describe('requests for volumes', () => {
  it('list says size, what is taken and who has it', async () => {
    await vm.addVbd(16, 'root', 'w');
    const answer = await vm.ask({ op: 'list' });
    expect(answer).toMatchObject({
      ok: true,
      more: false,
      volumes: [{ name: 'root', bytes: 1024 ** 2, allocatedBytes: 0, attachedTo: [16] }],
    });
  });

  it('list comes in parts that fit into XenStore', async () => {
    const names = [...Array(60).keys()].map((index) => `${'v'.repeat(60)}${String(index).padStart(2, '0')}`);
    for (const name of names) await vm.ask({ op: 'create', name, bytes: 512 });
    const seen: string[] = [];
    for (let more = true; more; ) {
      const answer = await vm.ask({ op: 'list', ...(seen.length > 0 && { after: seen.at(-1) }) });
      if (!answer.ok) throw new Error(answer.message);
      expect(JSON.stringify(answer).length).toBeLessThanOrEqual(VOLUME_ANSWER_BYTES_MAX);
      seen.push(...answer.volumes.map(({ name }) => name));
      more = answer.more;
    }
    expect(seen).toEqual(['root', ...names]);
  });

  it.each([
    [{ op: 'create', name: 'root', bytes: 512 }, 'exists'],
    [{ op: 'create', name: 'huge', bytes: 2 ** 40 }, 'full'],
    [{ op: 'create', name: '../x', bytes: 512 }, 'bad-request'],
    [{ op: 'create', name: 'x', bytes: 513 }, 'bad-request'],
    [{ op: 'delete', name: 'nothing' }, 'missing'],
    [{ op: 'format' }, 'bad-request'],
    ['list', 'bad-request'],
  ])('%j is refused: %s', async (request, code) => {
    expect(await vm.ask(request)).toMatchObject({ ok: false, code });
  });

  it('delete is refused while a front end has the volume, or Linux still holds it', async () => {
    await vm.addVbd(16, 'root', 'r');
    expect(await vm.ask({ op: 'delete', name: 'root' })).toMatchObject({ code: 'busy' });
    vm.loopDevices.hold('/dev/loop0');
    await vm.removeVbd(16);
    expect(await vm.ask({ op: 'delete', name: 'root' })).toMatchObject({ code: 'busy' });
    vm.loopDevices.letGo('/dev/loop0');
    expect(await vm.ask({ op: 'delete', name: 'root' })).toMatchObject({ ok: true });
  });
});

describe('shutdown', () => {
  it.each(['poweroff', ''])('on control/shutdown = %j detaches, unmounts and powers off', async (value) => {
    await vm.addVbd(16, 'root', 'w');
    await vm.askToShutDown(value);
    await vm.xen.settle();
    expect(vm.loopDevices.attached()).toEqual([]);
    expect(vm.files.mounts).toEqual([]);
    expect(vm.xen.leftovers()).toEqual(['1 watches']);
    expect(vm.poweredOff).toBe(true);
  });

  it('is not what an empty node from the start means', async () => {
    const other = await newVm();
    other.addDisk();
    await other.run();
    await vm.xen.settle();
    expect(other.poweredOff).toBe(false);
  });

  it('is possible while the disk is still awaited', async () => {
    const bare = await newVm();
    void bare.run();
    await vm.xen.settle();
    await bare.askToShutDown('poweroff');
    await vm.xen.settle();
    expect(bare.poweredOff).toBe(true);
  });
});
