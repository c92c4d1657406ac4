/** A guest of the tests (test/guest) on a running host. */
import { createHash, randomUUID } from 'node:crypto';
import { GuestConsole } from './console.ts';
import { create } from './guest-file.ts';

export const PROMPT = /probe# /;
const BOOT_TIMEOUT_MS = 90_000;

export interface ProbeOptions {
  readonly name: string;
  /** Volume names, as xvda, xvdb… */
  readonly disks?: readonly string[];
  readonly network?: boolean;
  readonly onReboot?: 'restart' | 'destroy';
}

/** The same whenever a guest of this name comes: QEMU's DHCP server has 16 addresses, and forgets none of the cards that it gave one to. */
function addressOf(name: string): string {
  const bytes = createHash('sha256').update(name).digest().subarray(0, 3);
  return ['00', '16', '3e', ...Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0'))].join(':');
}

export function probeConfig({ name, disks = [], network = false, onReboot = 'restart' }: ProbeOptions): string {
  const disk = disks.map((volume, index) => `'${volume},raw,xvd${String.fromCharCode(97 + index)},rw'`);
  return [
    `name = "${name}"`,
    'type = "pv"',
    'memory = 64',
    'vcpus = 1',
    'kernel = "core"',
    'ramdisk = "probe"',
    `extra = "console=hvc0 quiet${network ? ' ip=dhcp' : ''}"`,
    `disk = [ ${disk.join(', ')} ]`,
    `vif = [ ${network ? `'mac=${addressOf(name)}'` : ''} ]`,
    `on_reboot = "${onReboot}"`,
    '',
  ].join('\n');
}

/** The guest must come up. */
export const createProbe = (options: ProbeOptions): Promise<void> => create(probeConfig(options));

/** Its console, at the prompt. The backlog holds older prompts, so the guest is asked for a word that nobody has said before. */
export async function probeConsole(name: string): Promise<GuestConsole> {
  const console = new GuestConsole(name);
  const word = `here-${randomUUID()}`;
  await console.expect(/probe: ready/, BOOT_TIMEOUT_MS);
  console.send(`echo ${word}`);
  await console.expect(new RegExp(`${word}\\s+status 0\\s+${PROMPT.source}`), BOOT_TIMEOUT_MS);
  return console;
}

/** Runs a command in the guest that must succeed; returns what it printed. */
export async function inProbe(console: GuestConsole, command: string, timeoutMs?: number): Promise<string> {
  const output = await console.command(command, PROMPT, timeoutMs);
  const match = /^([\s\S]*)status (\d+)\r?\n?$/.exec(output);
  if (match === null || match[2] !== '0') throw new Error(`the probe guest's ${command} failed:\n${output}`);
  return match[1]!.trim();
}
