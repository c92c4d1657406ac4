/** What a benchmark asks of a host, over sessions of its own: no command has to start first. */
import { openSshSession } from '../src/cli/ssh-session.ts';
import { domainTable } from '../src/cli/text.ts';
import {
  LONG_CALL_MS,
  type ToolstackAccess,
  type ToolstackClient,
  withToolstack,
} from '../src/cli/toolstack-client.ts';
import { FIRST_GUEST_DOMID } from '../src/contracts/domids.ts';
import type { DomainRow, GuestConfig } from '../src/contracts/toolstack.ts';

/** Nobody looks. */
export const access: ToolstackAccess = {
  openSession: () => openSshSession(),
  errorIsTerminal: false,
  error: () => undefined,
  nowMs: () => performance.now(),
};

const FIRST_BYTE_TIMEOUT_MS = 120_000;
/** Nobody is told when a guest's console comes into being. */
const ATTACH_AGAIN_MS = 100;

/** A bare kernel, no disk, no card. It ends without a root file system, long after its first byte. */
const guest: GuestConfig = {
  name: 'bench',
  memoryMib: 32,
  vcpus: 1,
  boot: { type: 'pv', kernel: 'core', cmdline: 'console=hvc0' },
  disks: [],
  vifs: [],
  onPoweroff: 'destroy',
  onReboot: 'destroy',
  onCrash: 'preserve',
};

export const toolstackAnswers = (): Promise<unknown> => withToolstack(access, domains);
export const stopHostByToolstack = (): Promise<unknown> =>
  withToolstack(access, (toolstack) => toolstack.call('host.shutdown', {}, LONG_CALL_MS));

const domains = async (toolstack: ToolstackClient): Promise<readonly DomainRow[]> =>
  (await toolstack.call('guest.list', {})).domains;

export interface ServiceMemory {
  readonly table: string;
  readonly totalMib: number;
}

/** As Xen counts it, not as the manifests plan it. */
export async function serviceMemory(): Promise<ServiceMemory> {
  const rows = await withToolstack(access, domains);
  const services = rows.filter(({ domid }) => domid < FIRST_GUEST_DOMID);
  return { table: domainTable(services), totalMib: services.reduce((sum, { memoryMib }) => sum + memoryMib, 0) };
}

/** From the request to the first byte on the guest's console. */
export async function consoleFirstByteMs(): Promise<number> {
  let seen: () => void = () => undefined;
  const firstByte = new Promise<void>((resolve) => {
    seen = resolve;
  });
  const startedMs = performance.now();
  // It is no matter here how the guest ends.
  const created = withToolstack(access, (toolstack) => toolstack.call('guest.create', guest, LONG_CALL_MS)).catch(
    () => undefined,
  );
  const events = { output: () => seen(), ended: () => undefined };
  await withToolstack(access, (toolstack) => attached(toolstack, firstByte), events);
  const tookMs = performance.now() - startedMs;
  await created;
  await withToolstack(access, (toolstack) => toolstack.call('guest.destroy', { guest: guest.name }));
  return tookMs;
}

async function attached(toolstack: ToolstackClient, firstByte: Promise<void>): Promise<void> {
  const deadlineMs = performance.now() + FIRST_BYTE_TIMEOUT_MS;
  while (performance.now() < deadlineMs) {
    const isThere = await toolstack.call('console.attach', { guest: guest.name }).then(
      () => true,
      () => false,
    );
    if (isThere) return firstByte;
    await new Promise((resolve) => setTimeout(resolve, ATTACH_AGAIN_MS));
  }
  throw new Error(`guest ${guest.name} had no console in ${FIRST_BYTE_TIMEOUT_MS / 1000} s`);
}
