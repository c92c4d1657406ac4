// Child processes, pipes, sockets.
const shell = (script, more = {}) => rt.spawn({ argv: ['/bin/sh', '-c', script], ...more });

test('spawn() gives what the child writes and how it ended', async () => {
  const { readFd, writeFd } = rt.pipe();
  const child = shell('echo "$A-$1"; exit 3', { env: { A: 'x' }, stdout: writeFd });
  rt.close(writeFd);
  const [output, how] = await Promise.all([drain(readFd), ended(child)]);
  equal(output, 'x-\n');
  equal(how, { status: 3, signal: null });
  throws('ECHILD', () => rt.reap(child.pid));
});

test('the environment is what was given, nothing else', async () => {
  const { readFd, writeFd } = rt.pipe();
  const child = rt.spawn({ argv: ['/usr/bin/env'], stdout: writeFd });
  rt.close(writeFd);
  const [output] = await Promise.all([drain(readFd), ended(child)]);
  equal(output, '');
});

test('descriptors not given are /dev/null, others are not inherited', async () => {
  const { readFd, writeFd } = rt.pipe();
  const child = shell('ls -l /proc/self/fd', { stdout: writeFd, env: { PATH: '/usr/bin:/bin' } });
  rt.close(writeFd);
  const [output] = await Promise.all([drain(readFd), ended(child)]);
  const targets = output.split('\n').filter((line) => line.includes('->')).map((line) => line.split(' -> ')[1]);
  equal(targets.filter((target) => target === '/dev/null').length, 2);
  equal(targets.length, 4); // 0, 1, 2 and the directory that ls reads
});

test('standard descriptors are blocking for the child', async () => {
  const { readFd, writeFd } = rt.pipe();
  const child = shell('sleep 0.05; head -c 3000000 /dev/zero', { stdout: writeFd, env: { PATH: '/usr/bin:/bin' } });
  rt.close(writeFd);
  await sleep(100);
  const [output, how] = await Promise.all([drain(readFd), ended(child)]);
  equal([output.length, how.status], [3000000, 0]);
});

test('a program that cannot be run is an error of spawn()', () => {
  throws('ENOENT', () => rt.spawn({ argv: ['/nonexistent/program'] }));
  throws('EACCES', () => rt.spawn({ argv: ['/etc/passwd'] }));
});

test('kill() ends it; reap() tells the signal', async () => {
  const child = shell('sleep 60', { env: { PATH: '/usr/bin:/bin' } });
  equal(rt.reap(child.pid), null);
  rt.kill(child.pid, 15);
  equal(await ended(child), { status: null, signal: 15 });
  throws('ESRCH', () => rt.kill(4194304, 0));
});

test('root, when given, holds all that the child can open', async () => {
  if (!isRoot) return;
  const isThere = async (path) => {
    const child = rt.spawn({ argv: ['/busybox', 'test', '-e', path], root: '/bin' });
    return (await ended(child)).status === 0;
  };
  equal([await isThere('/busybox'), await isThere('/etc/passwd'), await isThere('/../etc/passwd')], [true, false, false]);
  throws('ENOENT', () => rt.spawn({ argv: ['/busybox'], root: '/nonexistent' }));
});

test('uid and gid, when given, are taken on without supplementary groups', async () => {
  if (!isRoot) return;
  const { readFd, writeFd } = rt.pipe();
  const child = rt.spawn({ argv: ['/usr/bin/id'], stdout: writeFd, uid: 65534, gid: 65534 });
  rt.close(writeFd);
  const [output] = await Promise.all([drain(readFd), ended(child)]);
  check(/^uid=65534\S* gid=65534\S*( groups=65534\S*)?\n$/.test(output), output);
});

const NETWORK_NAMESPACE = ['/usr/bin/unshare', '--net'];

test('tapCreate() makes an interface that stays, once', async () => {
  if (!isRoot || rt.stat('/dev/net/tun') === null) return;
  const source = `import * as rt from 'ennead:rt';
    const interfaces = () => new TextDecoder().decode(rt.readFile('/proc/self/net/dev', 65536)).includes('ennead-tap');
    rt.tapCreate('ennead-tap', 65534);
    let again = 'made';
    try { rt.tapCreate('ennead-tap', 65534); } catch (error) { again = error.code; }
    console.log(interfaces(), again);
    rt.exit(0);`;
  const { output } = await run(source, { wrapper: NETWORK_NAMESPACE });
  equal(output, 'true EBUSY\n');
});

test('a pipe: read() gives null when empty, write() 0 when full, EPIPE when nobody reads', () => {
  const { readFd, writeFd } = rt.pipe();
  equal(rt.read(readFd, 10), null);
  while (rt.write(writeFd, new Uint8Array(65536)) > 0);
  equal(rt.read(readFd, 10).length, 10);
  rt.close(readFd);
  throws('EPIPE', () => rt.write(writeFd, bytes('x')));
  rt.close(writeFd);
});

test('unix sockets: listen, connect, accept, both ways, half-close', async () => {
  const path = `${scratch}/socket`;
  throws('ENOENT', () => rt.unixConnect(path));
  const listener = rt.unixListen(path, 2);
  equal(rt.unixAccept(listener), null);
  throws('EADDRINUSE', () => rt.unixListen(path, 2));
  const client = rt.unixConnect(path);
  const server = rt.unixAccept(listener);
  equal(rt.write(client, bytes('ping')), 4);
  equal(text(rt.read(server, 10)), 'ping');
  equal(rt.read(server, 10), null);
  rt.shutdownWrite(client);
  equal(rt.read(server, 10), []);
  rt.write(server, bytes('pong'));
  rt.close(server);
  equal(await drain(client), 'pong');
  rt.close(listener);
  throws('ECONNREFUSED', () => rt.unixConnect(path));
  rt.unlink(path);
});

test('descriptors end at their limit with EMFILE', () => {
  const fds = [];
  throws('EMFILE', () => {
    for (;;) fds.push(rt.open('/dev/null', 'r'));
  });
  check(fds.length < 512 && fds.length > 400 && Math.max(...fds) === 511, `${fds.length}`);
  fds.forEach((fd) => rt.close(fd));
});
