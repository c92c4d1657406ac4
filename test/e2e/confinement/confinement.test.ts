/**
 * A Qemu VM that is its own enemy, on a host like an operator's: it knows every path in XenStore, and XenStore refuses it everything there that is
 * not its own. What Xen itself refuses such a VM: test/e2e/security.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { XENSTORE_LOGIC_DOMID, XENSTORE_STATE_DOMID } from '../../../src/contracts/domids.ts';
import type { StoreNode } from '../../../src/contracts/toolstack.ts';
import { GuestConsole } from '../console.ts';
import { domains, ennead, enneadJson, rowOf } from '../ennead.ts';
import { create } from '../guest-file.ts';
import { createProbe, inProbe, probeConsole } from '../probe.ts';
import { bootHostWith } from '../replaced-service.ts';
import { takeDown } from '../test-host.ts';
import {
  ANSWER,
  type Answer,
  attempts,
  commands,
  isOwn,
  ORDERS_ARE_THERE,
  type Orders,
  partOfOrders,
  WATCHED,
} from './plan.ts';

/** A node's value has at most 2048 bytes. */
const PART_BYTES = 1900;
const DISK_MIB = 4;
const DISK_BYTES = 64 * 1024;
const BOOT_SIGNATURE_AT = 510;

/** A disk whose boot sector halts, and takes no processor from anybody: sti; hlt; jmp to hlt. */
function haltingDisk(): Uint8Array {
  const disk = new Uint8Array(DISK_BYTES);
  disk.set([0xfb, 0xf4, 0xeb, 0xfd]);
  disk.set([0x55, 0xaa], BOOT_SIGNATURE_AT);
  return disk;
}

const createEmulated = (name: string): Promise<void> =>
  create(`name = "${name}"\ntype = "hvm"\nmemory = 64\ndisk = [ '${name},raw,hda,rw' ]\nvif = [ '' ]\n`);

async function comeAndGo(): Promise<void> {
  await createProbe({ name: 'gone' });
  await ennead('destroy', 'gone');
}

const domidOf = async (name: string): Promise<number> => (await rowOf(name))!.domid;

const tree = async (): Promise<StoreNode[]> => (await enneadJson('xenstore', 'ls')) as StoreNode[];

/** Paths in parts that fit into nodes. */
function inParts(paths: readonly string[]): string[] {
  const parts: string[] = [];
  for (const path of paths) {
    const longer = `${parts.at(-1)}\n${path}`;
    if (parts.length > 0 && longer.length <= PART_BYTES) parts[parts.length - 1] = longer;
    else parts.push(path);
  }
  return parts;
}

describe('a Qemu VM that tries what it may not', () => {
  let folder: string;
  let attacker: number;
  let prey: GuestConsole;
  let others: StoreNode[];
  let paths: string[];
  let answer: Answer;

  const othersNow = async (): Promise<StoreNode[]> => (await tree()).filter((node) => !isOwn(attacker, node.path));

  async function order(victim: number): Promise<Answer> {
    const home = `/local/domain/${attacker}`;
    const parts = inParts(paths);
    const orders: Orders = { parts: parts.length, victim };
    const nodes = [
      ...parts.map((text, part) => [`${home}/${partOfOrders(part)}`, text.replaceAll('\n', '\\n')]),
      [`${home}/${ORDERS_ARE_THERE}`, JSON.stringify(orders)],
    ];
    // Once at once, and once when it is written.
    const answered = new GuestConsole('nobody', ['xenstore', 'watch', '-n', '2', `${home}/${ANSWER}`]);
    await answered.expect(/answer/);
    await ennead('xenstore', 'write', ...(nodes.flat() as string[]));
    expect(await answered.status()).toBe(0);
    return JSON.parse(await ennead('xenstore', 'read', `${home}/${ANSWER}`)) as Answer;
  }

  beforeAll(async () => {
    folder = await bootHostWith({ service: 'qemu', entry: 'test/e2e/confinement/attacking-qemu.ts' });
    const disk = join(folder, 'halting.raw');
    await writeFile(disk, haltingDisk());
    for (const guest of ['emulated', 'neighbour']) await ennead('volume', 'import', guest, disk);
    await ennead('volume', 'create', 'prey', '8M');
    await createEmulated('emulated');
    attacker = await domidOf('emulated-dm');
    // All of what follows happens while it watches.
    await Promise.all([createEmulated('neighbour'), comeAndGo()]);
    await createProbe({ name: 'prey', disks: ['prey'], network: true });
    prey = await probeConsole('prey');
    others = await othersNow();
    paths = ['/', ...others.map((node) => node.path)];
    answer = await order(await domidOf('prey'));
  });

  afterAll(async () => {
    await prey.close();
    await takeDown(folder);
  });

  it('the store has a home for every other VM, but for XenStore’s own two', async () => {
    const homes = others.flatMap((node) => /^\/local\/domain\/(\d+)\/name$/.exec(node.path)?.[1] ?? []);
    const running = (await domains()).map(({ domid }) => domid);
    const none = new Set([attacker, XENSTORE_STATE_DOMID, XENSTORE_LOGIC_DOMID]);
    expect(homes.map(Number).sort()).toEqual(running.filter((domid) => !none.has(domid)).sort());
    console.log(`${paths.length} nodes, ${paths.length * attempts.length} attempts`);
  });

  it('none of them can it read, list, change, remove or add to', () => {
    expect(answer).toMatchObject({ refused: paths.length * attempts.length, otherwise: [] });
  });

  it('nor in a transaction', () => {
    expect(answer.transaction).toEqual(['EACCES', 'EACCES', 'done']);
  });

  it('it commands neither XenStore nor, through it, a domain', () => {
    expect(answer.commands).toEqual(Object.fromEntries(commands.map((command) => [command, 'EACCES'])));
  });

  it('its watches tell of nobody else', () => {
    expect(answer.heard).toEqual([...WATCHED].sort());
  });

  it('the same attempts in a folder of its own succeed', () => {
    expect(answer.own).toEqual(Object.fromEntries(attempts.map((attempt) => [attempt, 'done'])));
  });

  it('nothing in the store has changed but its own, and the others go on', async () => {
    expect(await othersNow()).toEqual(others);
    expect(await inProbe(prey, `disk-fill /dev/xvda ${DISK_MIB}`)).toMatch(/^[0-9a-f]{64}$/);
    await Promise.all(['emulated', 'neighbour'].map((guest) => ennead('destroy', guest)));
  });
});
