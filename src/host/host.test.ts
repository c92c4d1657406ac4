import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { startHost, stopHost } from './host.ts';
import { type HostDirectory, hostDirectoryAt } from './host-directory.ts';
import { hostStatus, saveState } from './host-state.ts';

let folder: string;
let directory: HostDirectory;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ennead-host-'));
  directory = hostDirectoryAt(join(folder, 'host'));
  await mkdir(directory.path);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

/** A QEMU whose serial line says this; then it runs until somebody ends it. */
async function fakeQemu(serialText: string): Promise<void> {
  const bin = join(folder, 'bin');
  await mkdir(bin);
  const program = join(bin, 'qemu-system-x86_64');
  await writeFile(program, `#!/bin/sh\necho '${serialText}' >> ${directory.serialLog}\nwhile :; do sleep 0.1; done\n`);
  await chmod(program, 0o755);
  vi.stubEnv('PATH', `${bin}:${process.env.PATH}`);
}

async function start(signal?: AbortSignal, onServiceLine?: (line: string) => void) {
  const image = join(folder, 'image');
  await writeFile(image, '');
  const images = { xen: image, kernel: image, bootstrapper: image, policy: image, disk: image };
  return startHost({ images, directory, ...(signal && { signal }), ...(onServiceLine && { onServiceLine }) });
}

describe('startHost()', () => {
  it('resolves when Toolstack is ready, and the host is known to run', async () => {
    await fakeQemu('(d5) ennead[toolstack]: ready');
    const state = await start();
    expect(hostStatus(directory)).toEqual(state);
    await expect(start()).rejects.toMatchObject({ code: 'already-running' });
    const stop = async () => void process.kill(state.pid!, 'SIGKILL');
    await stopHost(stop, directory);
  });

  it('ends a host in which a service fails, and names the serial log', async () => {
    await fakeQemu('(d6) ennead[blkback]: failed: no disk');
    await expect(start()).rejects.toMatchObject({
      code: 'boot-failed',
      message: `the virtual host did not boot: (d6) ennead[blkback]: failed: no disk. Its serial log: ${directory.serialLog}`,
    });
    expect(hostStatus(directory).status).toBe('stopped');
    expect(existsSync(directory.state)).toBe(false);
  });

  it('ends a half-booted host at the abort, and throws its reason', async () => {
    await fakeQemu('(d4) ennead[builder]: ready');
    const abort = new AbortController();
    let pid: number | null = null;
    const starting = start(abort.signal, () => {
      ({ pid } = hostStatus(directory));
      abort.abort(new Error('interrupted'));
    });
    await expect(starting).rejects.toThrow('interrupted');
    expect(pid).not.toBeNull();
    expect(existsSync(`/proc/${pid}`)).toBe(false);
    expect(existsSync(directory.state)).toBe(false);
  });
});

describe('stopHost()', () => {
  const TIMEOUTS = { agreedMs: 300, unansweredMs: 300 };
  let qemu: ChildProcess;

  beforeEach(async () => {
    qemu = spawn(process.execPath, ['--eval', 'setInterval(() => {}, 1000)', directory.monitor]);
    await once(qemu, 'spawn');
    const running = { sshPort: 1, startedAt: '', memoryMib: 1 };
    await saveState(directory, { status: 'running', pid: qemu.pid!, ...running });
    await vi.waitUntil(() => hostStatus(directory).status === 'running');
  });
  afterEach(() => void qemu.kill('SIGKILL'));

  it('is content with a QEMU that ends by itself, even if Toolstack’s answer was lost', async () => {
    const stop = async () => {
      qemu.kill();
      throw new Error('the connection has ended');
    };
    await stopHost(stop, directory, TIMEOUTS);
    expect(existsSync(directory.state)).toBe(false);
  });

  it('ends a host that does not go, and says so with the place of the serial log', async () => {
    await expect(stopHost(async () => {}, directory, TIMEOUTS)).rejects.toMatchObject({
      code: 'stop-forced',
      message: `the virtual host was switched off by force: it was still up after 0.3 s. Its serial log: ${directory.serialLog}`,
    });
    expect(hostStatus(directory).status).toBe('stopped');
  });

  it('says why Toolstack could not be asked', async () => {
    const refuse = () => Promise.reject(new Error('Toolstack does not answer'));
    await expect(stopHost(refuse, directory, TIMEOUTS)).rejects.toMatchObject({
      code: 'stop-forced',
      message: expect.stringContaining('by force: Toolstack does not answer.'),
    });
  });

  it('refuses when no host runs', async () => {
    qemu.kill('SIGKILL');
    await once(qemu, 'exit');
    await expect(stopHost(async () => {}, directory, TIMEOUTS)).rejects.toMatchObject({ code: 'not-running' });
  });
});
