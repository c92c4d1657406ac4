// Snapshot and rollback: whatever a handler does to the JavaScript heap is gone when it has returned.
const prelude = `import * as rt from 'ennead:rt';
const count = () => rt.boxRead()?.[0] ?? 0;
const step = () => rt.boxWrite(new Uint8Array([count() + 1]));
`;

/** The script's output; its handlers run one after another under rollback, the box counting them. */
async function rolling(source, status = 0) {
  const result = await run(prelude + source);
  check(result.status === status, `status ${result.status}, signal ${result.signal}: ${result.output}`);
  return result.output;
}

const steps = (bodies, last = '') => rolling(`
const bodies = [${bodies.map((body) => `() => { ${body} }`).join(', ')}];
let state = 'initial';
rt.setHandlerLimit(200);
rt.setTimer(1, () => {
  const at = count();
  step();
  if (at < bodies.length) return bodies[at]();
  ${last}
  console.log('end', state, rt.heapStats().rollbacks);
  rt.exit(0);
});
rt.rollbackAfterEveryHandler();`);

test('variables, globals and the heap return to the snapshot', async () => {
  const output = await steps(['state = "changed"; globalThis.leak = 1;', 'console.log(state, typeof leak, rt.heapStats().usedBytes)', 'console.log(state, typeof leak, rt.heapStats().usedBytes)']);
  const [first, second, end] = output.trim().split('\n');
  equal(first, second);
  check(first.startsWith('initial undefined ') && end === 'end initial 3', output);
});

test('poisoned prototypes and built-ins are whole again', async () => {
  const output = await steps([
    'Object.prototype.toString = null; Array.prototype.push = () => { throw 1 }; Promise.prototype.then = 5; delete Object.prototype.hasOwnProperty; globalThis.Uint8Array = 7; JSON.parse = eval;',
    'Object.defineProperty(Object.prototype, "code", { set() { throw 2 } }); Object.freeze(Array.prototype);',
  ], 'const a = []; a.push(1); state += [].concat(a).length + "" + JSON.parse("[2]")[0] + String({}) + {}.hasOwnProperty("code"); Array.prototype.x = 1;');
  check(output === 'end initial12[object Object]false 2\n', output);
});

test('an exception, a rejection and a thrown nothing are logged, and the process lives on', async () => {
  const output = await steps(['throw new Error("one")', 'Promise.reject(new Error("two"))', 'throw undefined', 'queueMicrotask(() => { throw new Error("four") })']);
  for (const expected of [/uncaught exception: Error: one/, /unhandled rejection: Error: two/, /uncaught exception: undefined/, /Error: four/, /end initial 4\n$/]) check(expected.test(output), output);
});

test('an endless loop, endless jobs and endless recursion end, and the process lives on', async () => {
  const output = await steps(['for (;;);', 'const again = () => { Promise.resolve().then(again); }; again()', 'const f = () => f() + 1; f()', '/(a+)+$/.test("a".repeat(40) + "b")', 'try { for (;;); } catch { state = "caught" } finally { state = "finally" }']);
  for (const expected of [/interrupted/, /jobs ran longer than 200 ms/, /InternalError/, /end initial 5\n$/]) check(expected.test(output), output);
});

test('after a handler that failed the failure handler runs, on a heap that is whole', async () => {
  const output = await rolling(`
const bodies = ['throw', 'loop', 'none', 'rejection'];
let state = 'initial';
rt.setHandlerLimit(100);
rt.onHandlerFailure(() => { console.log('failed', state, count()); state = 'changed'; });
rt.setTimer(1, () => {
  const body = bodies[count()];
  step();
  state = 'poisoned';
  if (body === 'throw') throw new Error('one');
  if (body === 'loop') for (;;);
  if (body === 'rejection') return Promise.reject(new Error('two'));
  if (body === undefined) rt.exit(0);
});
rt.rollbackAfterEveryHandler();`);
  const lines = output.split('\n').filter((line) => line.startsWith('failed'));
  equal(lines.join(), 'failed initial 1,failed initial 2,failed initial 4');
});

test('a failure handler that fails ends the process', async () => {
  const output = await rolling(`
rt.onHandlerFailure(() => { throw new Error('again') });
rt.setTimer(1, () => { throw new Error('first') });
rt.rollbackAfterEveryHandler();`, 70);
  check(/Error: first/.test(output) && /Error: again/.test(output), output);
});

test('an exhausted heap is whole again, many times', async () => {
  const hog = 'const all = []; for (let i = 1; ; i++) all.push(new Array(1000).fill(i), "x".repeat(1000) + i, new Uint8Array(3000))';
  const output = await rolling(`
rt.setTimer(1, () => {
  step();
  if (count() === 20) {
    console.log('end', rt.heapStats().usedBytes < 400000);
    rt.exit(0);
  }
  ${hog}
});
rt.setHandlerLimit(0);
rt.rollbackAfterEveryHandler();`);
  // What is thrown is another matter: of an exhausted heap even the error may be null.
  equal(output.match(/the heap's limit of \d+ bytes was reached/g)?.length, 19);
  check(/end true\n$/.test(output), output);
});

test('a heap that is exhausted at any place takes no freed memory for an error', async () => {
  const output = await rolling(`
rt.setTimer(1, () => {
  step();
  const at = count();
  if (at === 120) {
    console.log('end');
    rt.exit(0);
  }
  const all = Array.from({ length: (at * 37) % 97 }, (_, i) => ({ i }));
  all.push(new Uint8Array(at * 336));
  for (;;) all.push(new Array(1000).fill(1), new Uint8Array(3000));
});
rt.setHandlerLimit(0);
rt.rollbackAfterEveryHandler();`);
  check(/end\n$/.test(output), output.slice(-500));
});

test('what a handler registers goes with it; what the snapshot has stays and timers of it repeat', async () => {
  const output = await rolling(`
const { readFd, writeFd } = rt.pipe();
const extra = rt.pipe();
rt.write(extra.writeFd, new Uint8Array(1));
rt.onReadable(readFd, () => {
  rt.read(readFd, 100);
  rt.onReadable(readFd, null);
  rt.onReadable(extra.readFd, () => { console.log('never'); rt.exit(9); });
  rt.setTimer(0, () => { console.log('never'); rt.exit(9); });
  console.log('read');
});
rt.setTimer(20, () => {
  step();
  rt.write(writeFd, new Uint8Array([1]));
  if (count() === 4) rt.exit(0);
});
rt.rollbackAfterEveryHandler();`);
  equal(output, 'read\nread\nread\n');
});

test('other events do not postpone a timer of the snapshot', async () => {
  const output = await rolling(`
rt.setTimer(3, () => 0);
rt.setTimer(40, () => { step(); if (count() === 3) { console.log(rt.monotonicMs() - start < 1000); rt.exit(0); } });
const start = rt.monotonicMs();
rt.rollbackAfterEveryHandler();`);
  equal(output, 'true\n');
});

test('a descriptor that a handler closed stays closed, whoever gets its number', async () => {
  const output = await rolling(`
const { readFd, writeFd } = rt.pipe();
rt.write(writeFd, new Uint8Array(1));
rt.onReadable(readFd, () => {
  console.log('closing');
  rt.close(readFd);
  const next = rt.pipe();
  rt.write(next.writeFd, new Uint8Array(1));
  console.log(next.readFd === readFd);
});
rt.setTimer(30, () => rt.exit(0));
rt.rollbackAfterEveryHandler();`);
  equal(output, 'closing\ntrue\n');
});

test('the snapshot waits for the promise jobs of the start', async () => {
  const output = await rolling(`
let ready = 'no';
rt.rollbackAfterEveryHandler();
Promise.resolve().then(() => 0).then(() => { ready = 'yes'; });
rt.setTimer(1, () => { console.log(ready, rt.heapStats().snapshotBytes > 0); rt.exit(0); });`);
  equal(output, 'yes true\n');
});

test('a start that fails ends the process: there is no snapshot yet', async () => {
  check(/unhandled rejection: Error: early/.test(await rolling('rt.rollbackAfterEveryHandler(); throw new Error("early")', 70)));
});

test('rollback cannot be asked for twice', async () => {
  equal(await rolling('rt.rollbackAfterEveryHandler(); try { rt.rollbackAfterEveryHandler() } catch (e) { console.log(e.code) }'), 'EALREADY\n');
});

test('buffers, maps, closures and typed arrays of the snapshot are whole after 2000 handlers', async () => {
  const output = await rolling(`
const map = new Map([[{}, new Uint8Array([1, 2, 3])], ['k', [1.5, 'x', 10n ** 30n]]]);
const weak = new WeakMap([[map, 'weak']]);
const generator = (function* () { yield 1; yield 2; })();
generator.next();
const digest = () => JSON.stringify([...map.values()].map((v) => [...v].map(String))) + weak.get(map);
const expected = digest();
let rounds = 0;
rt.setTimer(0, () => {
  const left = 2000 - rt.heapStats().rollbacks;
  if (digest() !== expected || generator.next().value !== 2 || rounds++ !== 0) { console.log('damaged'); rt.exit(1); }
  for (const [key] of map) map.delete(key);
  map.set('junk', new Uint8Array(left));
  new FinalizationRegistry(() => 0).register({}, 1);
  if (left === 0) { console.log('whole'); rt.exit(0); }
});
rt.rollbackAfterEveryHandler();`);
  equal(output, 'whole\n');
});
