// Regions and event channels, on stand-ins for Xen's devices.
// The device stays open from its first use on.
rt.evtchnUnbind(rt.evtchnAllocUnbound(1));

test('a grant map: size, copies, words, bounds, close', () => {
  const region = rt.grantMap(5, [8, 9], true);
  equal(rt.regionSize(region), 8192);
  equal(rt.regionRead(region, 4094, 4), [0xa5, 0xa5, 0xa5, 0xa5]);
  rt.regionWrite(region, 4094, new Uint8Array([1, 2, 3, 4]));
  equal(rt.regionRead(region, 4094, 4), [1, 2, 3, 4]);
  rt.regionStore32(region, 8188, 0xfffffffe);
  equal(rt.regionLoad32(region, 8188), 0xfffffffe);
  equal(rt.regionRead(region, 8188, 4), [0xfe, 0xff, 0xff, 0xff]);
  equal([rt.regionRead(region, 8192, 0).length, rt.regionRead(region, 0, 8192).length], [0, 8192]);
  for (const [offset, length] of [[8192, 1], [0, 8193], [8191, 2], [2 ** 22, 1], [1, 8192]]) throws('EINVAL', () => rt.regionRead(region, offset, length));
  throws('EINVAL', () => rt.regionWrite(region, 8190, new Uint8Array(3)));
  for (const offset of [1, 2, 3, 8189, 8192, 8190]) {
    throws('EINVAL', () => rt.regionLoad32(region, offset));
    throws('EINVAL', () => rt.regionStore32(region, offset, 0));
  }
  throws('EINVAL', () => rt.regionStore32(region, 0, 2 ** 32));
  rt.regionClose(region);
});

test('what was read is a copy', () => {
  const region = rt.grantMap(5, [8], true);
  const copy = rt.regionRead(region, 0, 4);
  rt.regionWrite(region, 0, new Uint8Array(4));
  equal(copy, [0xa5, 0xa5, 0xa5, 0xa5]);
  copy.fill(9);
  equal(rt.regionRead(region, 0, 4), [0, 0, 0, 0]);
  rt.regionClose(region);
});

test('a region mapped for reading refuses to be written', () => {
  const region = rt.foreignMap(0x7ff0, [1, 2, 3], false);
  equal(rt.regionSize(region), 12288);
  equal(rt.regionLoad32(region, 0), 0xa5a5a5a5);
  throws('EACCES', () => rt.regionStore32(region, 0, 1));
  throws('EACCES', () => rt.regionWrite(region, 0, new Uint8Array(1)));
  rt.regionClose(region);
});

test('a share is zeroed and names its grants in order', () => {
  const { region, refs } = rt.grantShare(7, 3, true);
  equal(refs, [100, 101, 102]);
  equal(new Set(rt.regionRead(region, 0, 12288)).size, 1);
  equal(rt.regionLoad32(region, 12284), 0);
  rt.regionClose(region);
});

test('what is kept is zeroed once, and a process that is started again finds it as it was', async () => {
  const source = `import * as rt from 'ennead:rt';
const { region, refs } = rt.grantKeep(7, 3);
const before = rt.regionLoad32(region, 12284);
console.log(refs.join() + ' ' + rt.regionSize(region) + ' ' + before);
rt.regionStore32(region, 12284, before + 1);
if (before === 1) rt.regionClose(region);
if (before === 2) try { rt.grantKeep(7, 2); } catch (error) { console.log(error.code); }
rt.exit(before === 2 ? 0 : 1);`;
  const { output } = await run(source, { before: ['--init'] });
  const lines = output.split('\n').filter((line) => !line.startsWith('supervisor'));
  equal(lines, ['200,201,202 12288 0', '200,201,202 12288 1', '200,201,202 12288 2', 'EBUSY', '']);
});

test('a frame that cannot be mapped is an error and no region', () => {
  throws('EINVAL', () => rt.foreignMap(3, [1, 666], true));
});

test('a closed region\'s number names nothing, not even its successor', () => {
  const first = rt.grantMap(5, [1], true);
  rt.regionClose(first);
  const second = rt.grantMap(5, [1], true);
  check(first !== second);
  for (const use of [() => rt.regionRead(first, 0, 1), () => rt.regionSize(first), () => rt.regionClose(first)]) throws('EBADF', use);
  rt.regionClose(second);
});

test('there is room for 1024 regions and no more', () => {
  const regions = [];
  throws('ENOSPC', () => {
    for (;;) regions.push(rt.grantMap(1, [1], true));
  });
  equal(regions.length, 1024);
  equal(new Set(regions).size, 1024);
  regions.forEach((region) => rt.regionClose(region));
});

test('events reach the handler with their port, each notification at most once at a time', async () => {
  const [a, b] = [rt.evtchnAllocUnbound(3), rt.evtchnBindInterdomain(3, 9)];
  const seen = [];
  rt.onEvent((port) => {
    seen.push(port);
    if (seen.length === 2) rt.evtchnNotify(a); // unmasked by now: it fires again
  });
  rt.evtchnNotify(a);
  rt.evtchnNotify(a);
  rt.evtchnNotify(b);
  await sleep(20);
  equal(seen.filter((port) => port === b).length, 1);
  check(seen.filter((port) => port === a).length >= 2, `${seen}`);
  rt.onEvent(null);
  for (const port of [a, b]) rt.evtchnUnbind(port);
  throws('ENOTCONN', () => rt.evtchnNotify(a));
});

test('evtchnWait() takes its port, keeps the others for the handler, and times out', async () => {
  const [a, b] = [rt.evtchnAllocUnbound(3), rt.evtchnBindVirq(2)];
  const seen = [];
  rt.onEvent((port) => seen.push(port));
  rt.evtchnNotify(b);
  rt.evtchnNotify(a);
  equal([rt.evtchnWait(a, 100), seen.length], [true, 0]);
  const start = rt.monotonicMs();
  equal(rt.evtchnWait(a, 30), false);
  check(rt.monotonicMs() - start >= 30, 'too early');
  await sleep(10);
  equal(seen, [b]);
  rt.evtchnNotify(a);
  equal(rt.evtchnWait(a, 0), true);
  rt.onEvent(null);
  for (const port of [a, b]) rt.evtchnUnbind(port);
});

test('an event of a port that was unbound is not delivered', async () => {
  const [a, b] = [rt.evtchnAllocUnbound(3), rt.evtchnAllocUnbound(3)];
  const seen = [];
  rt.evtchnNotify(b);
  rt.evtchnNotify(a);
  equal(rt.evtchnWait(a, 10), true); // b is queued now
  rt.evtchnUnbind(b);
  rt.onEvent((port) => seen.push(port));
  await sleep(10);
  equal(seen, []);
  rt.onEvent(null);
  rt.evtchnUnbind(a);
});

test('events that wait while a handler fails are delivered after the rollback', async () => {
  const { status, output } = await run(`import * as rt from 'ennead:rt';
const ports = [1, 2, 3].map(() => rt.evtchnAllocUnbound(1));
const region = rt.grantMap(1, [1], true);
let heap = 0;
rt.onEvent((port) => {
  rt.regionStore32(region, 4 * port, 1 + heap++);
  if (port === ports[0]) { rt.evtchnWait(ports[2], 10); throw new Error('first'); }
});
rt.setTimer(30, () => {
  console.log(ports.map((port) => rt.regionLoad32(region, 4 * port)).join());
  rt.exit(0);
});
rt.rollbackAfterEveryHandler();
for (const port of ports.slice(0, 2)) rt.evtchnNotify(port);`);
  equal(status, 0);
  check(output.endsWith('\n1,1,2779096485\n'), output);
});
