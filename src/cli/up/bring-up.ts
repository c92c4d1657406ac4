/** From nothing to the example guest's login prompt: images, host, volume, guest. What is there already is left as it is. */
import { readFile } from 'node:fs/promises';
import type { DomainRow, GuestConfig } from '../../contracts/toolstack.ts';
import { hostImages } from '../../host/host.ts';
import { seconds } from '../../image/progress.ts';
import type { CliEnvironment } from '../environment.ts';
import { CliError } from '../exit-codes.ts';
import { bootLines, percentSteps, timedLines } from '../progress-lines.ts';
import { domainTable, serviceTable } from '../text.ts';
import { LONG_CALL_MS, withToolstack } from '../toolstack-client.ts';
import { importVolume } from '../transfer.ts';
import { readGuestConfig } from '../xl-config/guest-config.ts';
import { waitForLogin } from './login-prompt.ts';

export interface UpPorts extends Pick<CliEnvironment, 'openSession' | 'errorIsTerminal' | 'nowMs' | 'out' | 'error'> {
  readonly host: Pick<CliEnvironment['host'], 'status' | 'build' | 'start'>;
  /** A guest file whose first disk is the volume with the example guest. */
  readonly guestFile: string;
}

/** Emulated, on two busy cores, it takes about a minute. */
const LOGIN_TIMEOUT_MS = 300_000;

export async function bringUp(ports: UpPorts, loginTimeoutMs = LOGIN_TIMEOUT_MS): Promise<void> {
  const begunMs = ports.nowMs();
  const since = (ms: number): string => seconds(ports.nowMs() - ms);
  const { config } = readGuestConfig(await readFile(ports.guestFile, 'utf8'), ports.guestFile, []);
  const hostRuns = ports.host.status().status === 'running';
  if (hostRuns && (await findGuest(ports, config.name))) {
    return overview(ports, config, `The host and guest ${config.name} run already; nothing to do.`);
  }
  const images = await ports.host.build();
  const done: string[] = [];
  if (!hostRuns) {
    const startedMs = ports.nowMs();
    // A new host's disk holds the example guest already: to import it takes as long as the guest's boot.
    await ports.host.start({ ...hostImages(images), disk: images.exampleDisk }, {}, bootLines(ports));
    done.push(`host up in ${since(startedMs)}`);
  }
  const startedMs = ports.nowMs();
  const say = timedLines(ports);
  if (await importDisk(ports, config, images.guestDisk, say)) done.push(`disk imported in ${since(startedMs)}`);
  const createdMs = ports.nowMs();
  await startGuest(ports, config, loginTimeoutMs, say);
  done.push(`guest ${config.name} at its login prompt ${since(createdMs)} after create`);
  await overview(ports, config, `${done.join(', ')}; ${since(begunMs)} in all.`);
}

async function findGuest(ports: UpPorts, name: string): Promise<DomainRow | undefined> {
  const { domains } = await withToolstack(ports, (toolstack) => toolstack.call('guest.list', {}));
  return domains.find((domain) => domain.name === name);
}

/** False: the volume is there. Where the host was first started without it, it comes over the network; a transfer that fails leaves none. */
async function importDisk(
  ports: UpPorts,
  { name, disks }: GuestConfig,
  image: string,
  say: (line: string) => void,
): Promise<boolean> {
  const wanted = disks[0]?.volume;
  if (wanted === undefined) throw new CliError('bad-config', `the file of guest ${name} names no disk`);
  const { volumes } = await withToolstack(ports, (toolstack) => toolstack.call('volume.list', {}, LONG_CALL_MS));
  if (volumes.some((volume) => volume.name === wanted)) return false;
  say(`volume ${wanted} is imported (once; it stays on the host's disk)`);
  const { errorIsTerminal, error } = ports;
  const show = errorIsTerminal
    ? percentSteps(1, (percent) => error(`\r${' '.repeat(11)}${percent}%${percent === 100 ? '\n' : ''}`))
    : percentSteps(20, (percent) => say(`${percent}%`));
  await importVolume(ports.openSession, wanted, image, show);
  return true;
}

/** A guest that does not come to its prompt is taken away again. */
async function startGuest(
  ports: UpPorts,
  config: GuestConfig,
  loginTimeoutMs: number,
  say: (line: string) => void,
): Promise<void> {
  await withToolstack(ports, (toolstack) => toolstack.call('guest.create', config, LONG_CALL_MS));
  say(`guest ${config.name} is made and boots`);
  try {
    await waitForLogin(ports, config.name, loginTimeoutMs);
  } catch (error) {
    await withToolstack(ports, (toolstack) => toolstack.call('guest.destroy', { guest: config.name })).catch(() =>
      say(`guest ${config.name} could not be destroyed`),
    );
    throw error;
  }
  say(`guest ${config.name} shows its login prompt`);
}

async function overview(ports: UpPorts, { name }: GuestConfig, headline: string): Promise<void> {
  const { services, domains } = await withToolstack(ports, async (toolstack) => ({
    ...(await toolstack.call('services.list', {})),
    ...(await toolstack.call('guest.list', {})),
  }));
  ports.out(`\n${headline}\n\n${serviceTable(services)}\n${domainTable(domains)}\n${nextSteps(name)}`);
}

const nextSteps = (guest: string): string => `What to try next:
  npx ennead console ${guest}    log in as root, password ennead; Ctrl+] leaves
  npx ennead list              every VM, as xl shows them; there is no domain 0
  npx ennead services          the service VMs and their jobs
  npx ennead info              what Xen says of the host
  npx ennead trust             who may use whom, and who may reach whose memory
  npx ennead destroy ${guest}    ends the guest at once; npm start makes it again
  npm stop                     shuts the guests and the host down
`;
