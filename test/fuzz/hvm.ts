/**
 * `npm run fuzz:hvm -- [--minutes N] [--seed S]`: boots a host, and on it one guest after the other that uses its emulated hardware at random
 * (test/hvm-guests/fuzz), beside a guest that must notice nothing. A Qemu VM may end, with its guest; nothing else may: no service starts again, Xen
 * has nothing to refuse, and the host shuts down cleanly.
 */
import { copyFile, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildSteps } from '../../src/image/images.ts';
import { GuestConsole } from '../e2e/console.ts';
import { ennead, enneadJson, tryEnnead } from '../e2e/ennead.ts';
import { create } from '../e2e/guest-file.ts';
import { createProbe, inProbe, probeConsole } from '../e2e/probe.ts';
import { bootTestHost, takeDown } from '../e2e/test-host.ts';
import { FUZZ_DISK, fuzzingGuest, SEED_SECTOR } from '../hvm-guests/fuzzing-guest.ts';
import { SECTOR_BYTES } from '../hvm-guests/grub.ts';

const FUZZER = 'fuzzer';
const VOLUME = 'fuzz';
const DISK_MIB = 16;
/** A device that was told to write into memory may have hit the program. */
const SILENCE_MS = 20_000;
const BOOT_MS = 90_000;
/** Then the next one has its turn. */
const GUEST_MS = 120_000;
/** Each variant of the hardware has its turn. */
const hardware = [
  "disk = [ 'fuzz,raw,hda,rw', ',raw,hdc,r,devtype=cdrom' ]; vif = [ 'model=e1000' ]",
  "disk = [ 'fuzz,raw,sda,rw' ]; vif = [ 'model=rtl8139' ]; vga = \"cirrus\"",
  "disk = [ 'fuzz,raw,hda,rw' ]; vif = [ 'model=virtio-net' ]; usb = 1; usbdevice = \"tablet\"",
];

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
  },
});
const minutes = Number(values.minutes);
const firstSeed = Number(values.seed);
if (!(minutes > 0) || !Number.isInteger(firstSeed)) throw new Error('--minutes and --seed are numbers');

/** The volume boots with this seed. */
async function importDisk(disk: string, seed: number): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'ennead-fuzz-'));
  try {
    const copy = join(folder, FUZZ_DISK);
    await copyFile(disk, copy);
    const file = await open(copy, 'r+');
    await file.write(`${seed}\n`, SEED_SECTOR * SECTOR_BYTES);
    await file.close();
    await ennead('volume', 'import', VOLUME, copy);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** How many accesses it made, until it was silent for too long, its machine had ended, or time was up. */
async function watch(untilMs: number): Promise<number> {
  const console = new GuestConsole(FUZZER);
  let accesses = 0;
  try {
    await console.expect(/fuzz: seed \d+/, BOOT_MS);
    while (Date.now() < untilMs) {
      const [, count] = await console.expect(/fuzz: accesses (\d+)\s/, SILENCE_MS);
      accesses = Number(count);
    }
  } catch {
    // Silent, or gone.
  } finally {
    await console.close();
  }
  return accesses;
}

async function createFuzzer(seed: number): Promise<void> {
  const lines = [`name = "${FUZZER}"`, 'type = "hvm"', 'memory = 64', 'serial = "pty"', 'boot = "c"'];
  const ends = ['on_poweroff = "destroy"', 'on_reboot = "destroy"', 'on_crash = "destroy"'];
  await create([...lines, ...ends, hardware[seed % hardware.length]!, ''].join('\n'));
}

interface Service {
  name: string;
  state: string;
  resets: number;
}

async function servicesThatEnded(): Promise<string[]> {
  const services = (await enneadJson('services')) as Service[];
  return services.filter(({ resets, state }) => resets > 0 || state === 'failed').map(({ name }) => name);
}

const { made } = await buildSteps([fuzzingGuest], {});
const disk = made.get(fuzzingGuest)!.path(FUZZ_DISK);
const host = await bootTestHost('--cpus', '2');
let sum = 0;
try {
  await ennead('volume', 'create', 'witness', `${DISK_MIB}M`);
  await createProbe({ name: 'witness', disks: ['witness'], network: true });
  const witness = await probeConsole('witness');
  const written = await inProbe(witness, `disk-fill /dev/xvda ${DISK_MIB}`);
  const untilMs = Date.now() + minutes * 60_000;
  for (let seed = firstSeed; Date.now() < untilMs; seed++) {
    await importDisk(disk, seed);
    await createFuzzer(seed);
    const accesses = await watch(Math.min(untilMs, Date.now() + GUEST_MS));
    await tryEnnead('destroy', FUZZER);
    await ennead('volume', 'delete', VOLUME);
    sum += accesses;
    console.log(`seed ${seed}: ${accesses} accesses`);
    if ((await inProbe(witness, `disk-hash /dev/xvda ${DISK_MIB}`)) !== written)
      throw new Error(`the witness reads something else: --seed ${seed}`);
    const ended = await servicesThatEnded();
    if (ended.length > 0) throw new Error(`started again or failed: ${ended.join(', ')}: --seed ${seed}`);
  }
  await witness.close();
  await ennead('destroy', 'witness');
} finally {
  await takeDown(host);
}
console.log(`${sum} accesses in ${minutes} minutes: nothing outside of the pair was harmed`);
