import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ennead, enneadJson, type Ran, rowOf, tryEnnead } from '../ennead.ts';
import { tryCreate } from '../guest-file.ts';
import { createProbe, probeConfig } from '../probe.ts';

async function volumeOf(name: string): Promise<{ attachedTo: number[] } | undefined> {
  const { volumes } = (await enneadJson('volume', 'list')) as { volumes: { name: string; attachedTo: number[] }[] };
  return volumes.find((volume) => volume.name === name);
}

/** A failure is one line on standard error, and nothing on standard output. */
function expectFailure(ran: Ran, status: number, message: RegExp): void {
  expect(ran).toMatchObject({ status, stdout: '' });
  expect(ran.stderr).toMatch(/^ennead: [^\n]+\n$/);
  expect(ran.stderr).toMatch(message);
}

describe('a guest that will not boot', () => {
  /** A kernel without a root file system connects its disk and panics. */
  const rootless = (onCrash: string): string =>
    [
      'name = "rootless"',
      'memory = 64',
      'kernel = "core"',
      'extra = "console=hvc0 quiet"',
      "disk = [ 'rootless-disk,raw,xvda,rw' ]",
      `on_crash = "${onCrash}"`,
    ].join('\n');

  beforeAll(() => ennead('volume', 'create', 'rootless-disk', '16M'));
  // What one test preserves, or fails to take away, is in nobody's way.
  afterEach(async () => {
    if (await rowOf('rootless')) await ennead('destroy', 'rootless');
  });

  it.each(['destroy', 'restart'])(
    'is one clear line with its last words, and is gone (on_crash = %s)',
    async (onCrash) => {
      const ran = await tryCreate(rootless(onCrash));
      expectFailure(ran, 12, /guest rootless ended while it started \(crash\); it said last: .*Kernel panic/);
      expect(await rowOf('rootless')).toBeUndefined();
      expect(await volumeOf('rootless-disk')).toMatchObject({ attachedTo: [] });
    },
  );

  it('stays for a look where on_crash says preserve', async () => {
    const ran = await tryCreate(rootless('preserve'));
    expectFailure(ran, 12, /ended while it started \(crash\) and is preserved; it said last: .*Kernel panic/);
    expect(await rowOf('rootless')).toMatchObject({ state: 'crashed' });
  });

  it('lets go of its volume', async () => {
    await ennead('volume', 'delete', 'rootless-disk');
    expect(await volumeOf('rootless-disk')).toBeUndefined();
  });
});

describe('a guest file', () => {
  it('that is malformed is refused with line and column', async () => {
    const ran = await tryCreate('name = "odd"\nmemory = = 64\n');
    expectFailure(ran, 7, /guest\.cfg:2:10: expected a value/);
    expect(ran.stderr).toContain(`${ran.file}:2:10: `);
  });

  it('with a bridge that does not exist is refused with its place', async () => {
    const ran = await tryCreate('name = "odd"\nmemory = 64\nvif = [ "bridge=br1" ]\n');
    expectFailure(ran, 7, /guest\.cfg:3:9: vif bridge "br1" does not exist: the only one is xenbr0/);
  });

  it('with a kernel that nobody knows is refused', async () => {
    const ran = await tryCreate('name = "odd"\nmemory = 64\nkernel = "windows"\n');
    expectFailure(ran, 17, /no kernel is called windows/);
  });

  it('with a volume that does not exist is refused', async () => {
    const ran = await tryCreate(`name = "odd"\nmemory = 64\ndisk = [ 'none,raw,xvda,rw' ]\n`);
    expectFailure(ran, 8, /disk xvda: no volume none/);
  });

  it('with an unknown key makes the guest, and warns with key and line', async () => {
    const ran = await tryCreate(`usb = 1\n${probeConfig({ name: 'odd' })}`);
    expect(ran).toMatchObject({ status: 0, stderr: `warning: ${ran.file}:1: key usb is not known and is ignored\n` });
    expect(await rowOf('odd')).toMatchObject({ state: 'running' });
    await ennead('destroy', 'odd');
  });
});

describe('a second guest of the same name', () => {
  beforeAll(() => createProbe({ name: 'only' }));
  afterAll(() => ennead('destroy', 'only'));

  it('is refused, and the first goes on', async () => {
    const before = await rowOf('only');
    expectFailure(await tryCreate(probeConfig({ name: 'only' })), 6, /a guest named only exists already/);
    expect(await rowOf('only')).toMatchObject({ domid: before!.domid, state: 'running' });
  });
});

describe('an operator who errs', () => {
  it.each([
    ['a guest is unknown', ['destroy', 'nobody'], 5, /no guest nobody; see: ennead list/],
    ['a volume is unknown', ['volume', 'delete', 'nothing'], 8, /there is no volume nothing/],
    [
      'a volume would not fit on the disk',
      ['volume', 'create', 'too-large', '4T'],
      10,
      /too-large needs 4398046511104 bytes, \d+ are free/,
    ],
  ])('is told that %s', async (_name, command, status, message) => {
    expectFailure(await tryEnnead(...command), status, message);
  });
});
