import { expect, test } from 'vitest';
import { VirtualClock } from '../../xen/memory/virtual-clock.ts';
import { type Files, PortError } from '../../xen/ports.ts';
import {
  DROPBEAR,
  forgetSshServer,
  prepareAccount,
  runSshServer,
  type SshPorts,
  sshServerListens,
} from './ssh-server.ts';

/** As much of a file system as an account needs. */
function surroundings(present: Record<string, string>) {
  const tree = new Map(Object.entries(present).map(([path, text]) => [path, { text, mode: 0o600 }]));
  const files = {
    remove: (path: string) => void tree.delete(path),
    stat: (path: string) => (tree.has(path) ? { kind: 'file' } : null),
    makeDirectory: (path: string, mode: number) => void tree.set(path, { text: '', mode }),
    link: (target: string, path: string) => void tree.set(path, { text: `-> ${target}`, mode: 0o777 }),
    write: (path: string, bytes: Uint8Array, mode: number) =>
      void tree.set(path, { text: new TextDecoder().decode(bytes), mode }),
    read: (path: string) => {
      const file = tree.get(path);
      if (!file) throw new PortError('ENOENT', 'readFile', path);
      return new TextEncoder().encode(file.text);
    },
  } as unknown as Files & { link(target: string, path: string): void };
  const runs: string[][] = [];
  const ends: ((error?: Error) => void)[] = [];
  const log: string[] = [];
  const clock = new VirtualClock(() => new Promise((resolve) => setTimeout(resolve, 0)));
  const ports: SshPorts = {
    files,
    clock,
    log: (line) => log.push(line),
    processes: {
      run: (argv) => {
        runs.push([...argv]);
        return new Promise((resolve, reject) =>
          ends.push((error) => (error ? reject(error) : resolve({ status: 1, signal: null }))),
        );
      },
    },
  };
  return { ports, tree, clock, runs, ends, log };
}

test('the account leads to the session program, and its keys belong to root', () => {
  const { ports, tree } = surroundings({ '/etc/ennead/authorized_keys': 'restrict ssh-ed25519 AAAA operator\n' });
  prepareAccount(ports);
  expect(tree.get('/etc/passwd')?.text).toContain('toolstack:x:1000:1000::/home/toolstack:/bin/ennead-session\n');
  expect(tree.get('/etc/shells')?.text).toBe('/bin/ennead-session\n');
  expect(tree.get('/bin/ennead-session')).toEqual({ text: '#!/bin/ennead-rt /session.qbc\n', mode: 0o755 });
  expect(tree.get('/bin/ennead-rt')?.text).toBe('-> /init');
  expect(tree.get('/home/toolstack/.ssh/authorized_keys')).toEqual({
    text: 'restrict ssh-ed25519 AAAA operator\n',
    mode: 0o644,
  });
});

test('a process that starts again finds its account as it was', () => {
  const { ports, tree } = surroundings({ '/etc/ennead/authorized_keys': 'key\n' });
  prepareAccount(ports);
  const first = new Map(tree);
  prepareAccount(ports);
  expect(tree).toEqual(first);
});

test('a host without keys is a failure, not an open door', () => {
  expect(() => prepareAccount(surroundings({}).ports)).toThrow('ENOENT');
});

test('dropbear takes no password, no root, forwards nothing and runs only the session', () => {
  expect(DROPBEAR).toEqual(expect.arrayContaining(['-s', '-w', '-j', '-k']));
  expect(DROPBEAR.slice(-2)).toEqual(['-c', 'session']);
});

test('dropbear is started again when it ends or cannot be started, after a pause', async () => {
  const { ports, clock, runs, ends, log } = surroundings({});
  runSshServer(ports);
  ends[0]!();
  await clock.advance(500);
  expect(runs).toHaveLength(1);
  await clock.advance(1_000);
  expect(runs).toHaveLength(2);
  ends[1]!(new Error('no memory'));
  await clock.advance(2_000);
  expect(runs).toHaveLength(3);
  expect(log).toEqual([
    'dropbear has ended (status 1) and is started again',
    'dropbear has ended (Error: no memory) and is started again',
  ]);
});

test('the server counts as listening when dropbear has written its pid, not an earlier one', async () => {
  const { ports, tree, clock } = surroundings({ '/run/dropbear.pid': '7\n' });
  forgetSshServer(ports);
  let listens = false;
  void sshServerListens(ports).then(() => {
    listens = true;
  });
  await clock.advance(1_000);
  expect(listens).toBe(false);
  tree.set('/run/dropbear.pid', { text: '9\n', mode: 0o644 });
  await clock.advance(1_000);
  expect(listens).toBe(true);
});
