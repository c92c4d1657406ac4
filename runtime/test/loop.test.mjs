// Timers, descriptors, promise jobs, and how the loop ends.
test('timers fire in the order of their deadlines, not before them', async () => {
  const order = [];
  const start = rt.monotonicMs();
  rt.setTimer(30, () => order.push('c'));
  rt.setTimer(10, () => order.push('a'));
  rt.setTimer(10.5, () => order.push('b'));
  await sleep(60);
  equal(order, ['a', 'b', 'c']);
  check(rt.monotonicMs() - start >= 60, 'too early');
});

test('a cleared timer does not fire; clearing it again does nothing', async () => {
  let fired = false;
  const id = rt.setTimer(5, () => { fired = true; });
  rt.clearTimer(id);
  rt.clearTimer(id);
  await sleep(20);
  check(!fired);
});

test('there is room for 256 timers and no more', () => {
  const ids = [];
  throws('ENOSPC', () => {
    for (;;) ids.push(rt.setTimer(1e6, () => 0));
  });
  check(ids.length >= 250 && ids.length <= 256, `${ids.length}`);
  ids.forEach((id) => rt.clearTimer(id));
});

test('promise jobs run before the next timer', async () => {
  const order = [];
  rt.setTimer(1, () => {
    order.push('timer 1');
    Promise.resolve().then(() => order.push('job')).then(() => order.push('job of job'));
    queueMicrotask(() => order.push('microtask'));
  });
  rt.setTimer(1, () => order.push('timer 2'));
  await sleep(20);
  equal(order, ['timer 1', 'job', 'microtask', 'job of job', 'timer 2']);
});

test('setTimeout() and clearTimeout() are the same timers', async () => {
  let count = 0;
  clearTimeout(setTimeout(() => count++, 1));
  clearTimeout(undefined);
  setTimeout(() => count++);
  await sleep(20);
  equal(count, 1);
});

test('onReadable() is level-triggered and stops with null', async () => {
  const { readFd, writeFd } = rt.pipe();
  rt.write(writeFd, bytes('abc'));
  const got = [];
  rt.onReadable(readFd, () => {
    got.push(text(rt.read(readFd, 1)));
    if (got.length === 2) rt.onReadable(readFd, null);
  });
  await sleep(20);
  equal(got, ['a', 'b']);
  rt.close(readFd);
  rt.close(writeFd);
});

test('onWritable() and onReadable() of one descriptor are two handlers', async () => {
  const path = `${scratch}/both`;
  const listener = rt.unixListen(path, 1);
  const client = rt.unixConnect(path);
  const server = rt.unixAccept(listener);
  const seen = [];
  rt.onWritable(client, () => {
    seen.push('writable');
    rt.onWritable(client, null);
    rt.write(server, bytes('x'));
  });
  rt.onReadable(client, () => {
    seen.push(text(rt.read(client, 1)));
    rt.close(client);
  });
  await sleep(30);
  equal(seen, ['writable', 'x']);
  for (const fd of [server, listener]) rt.close(fd);
});

test('a handler may close another ready descriptor, whose number is used again', async () => {
  const [a, b] = [rt.pipe(), rt.pipe()];
  rt.write(a.writeFd, bytes('a'));
  rt.write(b.writeFd, bytes('b'));
  const seen = [];
  const closing = (mine, other) => () => {
    seen.push(mine);
    rt.close(other.readFd);
    equal(rt.open('/dev/null', 'r'), other.readFd);
    rt.onReadable((mine === 'a' ? a : b).readFd, null);
  };
  rt.onReadable(a.readFd, closing('a', b));
  rt.onReadable(b.readFd, closing('b', a));
  await sleep(20);
  equal(seen.length, 1);
  for (const fd of [a.readFd, a.writeFd, b.readFd, b.writeFd]) rt.close(fd);
});

test('what epoll cannot watch is an error, and leaves nothing registered', () => {
  const fd = rt.open('/proc/self/status', 'r');
  rt.close(fd);
  throws('EBADF', () => rt.onReadable(fd, () => 0));
  const file = rt.open(`${scratch}/plain`, 'w');
  throws('EPERM', () => rt.onReadable(file, () => 0));
  rt.close(file);
});

test('TextEncoder and TextDecoder: the Encoding standard on valid and broken input', () => {
  const whole = 'aé€😀\0z';
  equal(bytes(whole), [97, 0xc3, 0xa9, 0xe2, 0x82, 0xac, 0xf0, 0x9f, 0x98, 0x80, 0, 122]);
  equal(text(bytes(whole)), whole);
  equal(bytes('\ud800x\udc00'), [0xef, 0xbf, 0xbd, 120, 0xef, 0xbf, 0xbd]);
  equal([bytes(undefined).length, text(undefined), text(new Uint8Array(0))], [0, '', '']);
  const broken = [
    [[0xff], '\ufffd'], [[0x80, 0x41], '\ufffdA'], [[0xc0, 0x80], '\ufffd\ufffd'], [[0xe2, 0x82], '\ufffd'], [[0xe2, 0x82, 0x41], '\ufffdA'],
    [[0xed, 0xa0, 0x80], '\ufffd\ufffd\ufffd'], [[0xf0, 0x9f, 0x98], '\ufffd'], [[0xf0, 0x80, 0x80, 0x80], '\ufffd\ufffd\ufffd\ufffd'],
    [[0xf4, 0x90, 0x80, 0x80], '\ufffd\ufffd\ufffd\ufffd'], [[0xe0, 0x9f, 0xbf], '\ufffd\ufffd\ufffd'], [[0xef, 0xbb, 0xbf, 0x41], 'A'],
  ];
  for (const [input, expected] of broken) equal(text(new Uint8Array(input)), expected);
  const fatal = new TextDecoder('utf-8', { fatal: true });
  equal(fatal.decode(bytes('good')), 'good');
  let refused = false;
  try {
    fatal.decode(new Uint8Array([0xff]));
  } catch (error) {
    refused = error instanceof TypeError;
  }
  check(refused, 'fatal');
  equal(new TextDecoder().encoding, 'utf-8');
  throws('EINVAL', () => new TextDecoder('latin1'));
  throws('EINVAL', () => new TextDecoder().decode('text'));
});
