/**
 * XenStore-Logic's VM crashes on a host like an operator's, FLASK enforcing, in the middle of a request, while others are under way. Builder has to notice it
 * and to build it again; nobody else may notice more than a pause.
 */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BUILDER_DOMID, XENSTORE_LOGIC_DOMID } from '../../../src/contracts/domids.ts';
import { hostDirectoryAt } from '../../../src/host/host-directory.ts';
import { GuestConsole } from '../console.ts';
import { domains, ennead, enneadJson, type Ran, tryEnnead } from '../ennead.ts';
import { createProbe, inProbe, probeConsole } from '../probe.ts';
import { bootHostWith } from '../replaced-service.ts';
import { stopByCommand, takeDown } from '../test-host.ts';
import { LAST_WORDS } from './plan.ts';

const FOLDER = '/local/domain/5/data';
const DURING = `${FOLDER}/during`;
const AFTER = `${FOLDER}/after`;
const DISK_MIB = 4;
const REBUILT = /xenstore-logic has ended \(crash\): building it again/g;

interface Service {
  readonly name: string;
  readonly state: string;
  readonly upSince: string;
  readonly resets: number;
}

const logic = async (): Promise<Service> =>
  ((await enneadJson('services')) as Service[]).find(({ name }) => name === 'xenstore-logic')!;

describe('XenStore-Logic’s VM crashes while it serves a request', () => {
  let path: string;
  let before: Service;
  let watching: GuestConsole;
  let guest: GuestConsole;
  /** What was asked before XenStore-Logic was there again. */
  let written: Ran;
  const serial = (): Promise<string> => readFile(hostDirectoryAt(path).serialLog, 'utf8');

  beforeAll(async () => {
    path = await bootHostWith({ service: 'xenstore-logic', entry: 'test/e2e/rebuild/mortal-logic.ts' });
    await ennead('volume', 'create', 'old-disk', '8M');
    await ennead('volume', 'create', 'new-disk', '8M');
    await createProbe({ name: 'old', disks: ['old-disk'], network: true });
    guest = await probeConsole('old');
    before = await logic();
    watching = new GuestConsole('nobody', ['xenstore', 'watch', '-n', '3', FOLDER]);
    await watching.expect(new RegExp(`^${FOLDER}$`, 'm'));
    const created = createProbe({ name: 'new', disks: ['new-disk'], network: true });
    written = await tryEnnead('xenstore', 'write', DURING, LAST_WORDS);
    await created;
  });

  /** It ends once more while the host goes down, and Builder is the one who has asked it for something. */
  afterAll(async () => {
    await guest.close();
    await watching.close();
    let said = '';
    await takeDown(path, async () => {
      const stopped = await stopByCommand();
      said = await serial();
      return stopped;
    });
    expect(said.match(REBUILT)).toHaveLength(2);
    // PCIBack was held when its channel was bound again. It has a XenStore: else a driver VM could not let go of its device.
    expect(said).toMatch(/ennead\[builder\]: powers the machine off/);
    expect(said).not.toMatch(/ennead\[builder\]: while shutting down/);
  });

  it('it really did, and Builder built it again, once', async () => {
    const text = await serial();
    expect(text.match(/\(d3\).*Kernel panic/g)).toHaveLength(1);
    expect(text.match(REBUILT)).toHaveLength(1);
    expect(text.match(/ennead\[xenstore-logic\]: ready/g)).toHaveLength(2);
    const answers = text.match(/XenStore answers again, \d+ ms after it was missed/);
    expect(answers).not.toBeNull();
    console.log(String(answers));
  });

  it('the request in whose midst it ended is answered, and done', async () => {
    expect(written).toMatchObject({ status: 0, stderr: '' });
    expect(await ennead('xenstore', 'read', DURING)).toBe(`${LAST_WORDS}\n`);
  });

  it('a watch from before tells each change once', async () => {
    await ennead('xenstore', 'write', AFTER, 'seen');
    await watching.expect(new RegExp(`^${DURING}\r?\n${AFTER}$`, 'm'));
    expect(await watching.status()).toBe(0);
  });

  it('a guest that was being created runs, with its disk', async () => {
    const fresh = await probeConsole('new');
    expect(await inProbe(fresh, `disk-fill /dev/xvda ${DISK_MIB}`)).toMatch(/^[0-9a-f]{64}$/);
    await fresh.close();
    await ennead('destroy', 'new');
  });

  it('a guest from before goes on, and hears when it shall shut down', async () => {
    expect(await inProbe(guest, `disk-fill /dev/xvda ${DISK_MIB}`)).toMatch(/^[0-9a-f]{64}$/);
    await ennead('shutdown', 'old', '--wait');
    expect((await domains()).map(({ name }) => name)).not.toContain('old');
  });

  it('services and trust list say what has happened', async () => {
    const after = await logic();
    expect(after).toMatchObject({ state: 'running', resets: before.resets + 1 });
    expect(Date.parse(after.upSince)).toBeGreaterThan(Date.parse(before.upSince));
    const records = (await enneadJson('trust')) as { domid: number }[];
    expect(records.find(({ domid }) => domid === XENSTORE_LOGIC_DOMID)).toMatchObject({ parent: BUILDER_DOMID });
  });
});
