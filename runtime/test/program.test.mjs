// The program: exit statuses, what it prints, bytecode, supervision, the recovery box.
const staticProgram = rt.args[3];

const ending = async (source, status, ...patterns) => {
  const result = await run(source);
  equal([result.status, result.signal], [status, null]);
  for (const pattern of patterns) check(pattern.test(result.output), `${pattern} not in: ${result.output}`);
  return result;
};

test('the process ends with 0 when nothing is registered any more', () => ending('setTimeout(() => console.log("last"), 5)', 0, /^last\n$/));
test('exit() ends it with the status given', () => ending('import { exit } from "ennead:rt"; setTimeout(() => 0, 1e6); exit(7)', 7));
test('an exception of the module: 70 and the stack', () => ending('function f() { throw new TypeError("boom") }\nf()', 70, /unhandled rejection: TypeError: boom\n {4}at f \(script-\d+\.mjs:1/));
test('an exception of a handler: 70', () => ending('setTimeout(() => { throw new Error("late") }, 1)', 70, /uncaught exception: Error: late/));
test('an exception of a microtask: 70', () => ending('queueMicrotask(() => { throw new Error("micro") }); setTimeout(() => 0, 1000)', 70, /Error: micro/));
test('an unhandled rejection: 70', () => ending('Promise.reject(new Error("no")); setTimeout(() => 0, 1000)', 70, /unhandled rejection: Error: no/));
test('a rejection that is handled in the same turn is none', () => ending('const p = Promise.reject(1); p.catch(() => console.log("caught"))', 0, /caught/));
test('more rejections than can be tracked: 70', () => ending('for (let i = 0; i < 100; i++) Promise.reject(i)', 70, /more than 64/));
test('a module that waits for ever: 70', () => ending('await new Promise(() => 0)', 70, /waits for a promise/));
test('a syntax error: 70', () => ending('let let = 1', 70, /SyntaxError/));
test('only ennead:rt can be imported', () => ending('import "./other.mjs"', 70, /could not load module/));
test('what cannot be printed is reported all the same', () => ending('throw { toString() { throw 1 } }', 70, /cannot be printed/));
test('a handler beyond its time limit: 70', () => ending('import { setHandlerLimit } from "ennead:rt"; setHandlerLimit(50); setTimeout(() => { for (;;); }, 1)', 70, /interrupted/));
test('promise jobs beyond the time limit: 70', () => ending('import { setHandlerLimit } from "ennead:rt"; setHandlerLimit(50); const again = () => Promise.resolve().then(again); setTimeout(again, 1)', 70, /longer than 50 ms/));
test('an exhausted heap is an exception', () => ending('setTimeout(() => { const all = []; for (;;) all.push(new Uint8Array(1 << 20)) }, 1)', 70, /out of memory/, /limit of 16777216 bytes/));
test('endless recursion is an exception', () => ending('const f = () => f() + 1; try { f() } catch (e) { console.log(e.name) }', 0, /InternalError/));

test('ENNEAD_HEAP_MIB sets the heap\'s limit', async () => {
  const source = 'import { heapStats } from "ennead:rt"; console.log(heapStats().limitBytes)';
  equal((await run(source, { env: { ENNEAD_HEAP_MIB: '3' } })).output, `${3 << 20}\n`);
  check((await run(source, { env: { ENNEAD_HEAP_MIB: 'x' } })).output.endsWith(`${16 << 20}\n`));
});

test('log(): one line, control characters become spaces, at most 900 bytes', async () => {
  const { output } = await run('import { log } from "ennead:rt"; log("a\\nb\\0c"); log("x".repeat(2000))');
  equal(output, `a b c\n${'x'.repeat(900)}\n`);
});

test('console prints errors with their stack, line by line', () => ending('console.error("e:", new RangeError("r"), { a: 1 }, null)', 0, /^e: RangeError: r\n {4}at .*\n.*\[object Object\] null\n$/));

test('arguments follow the file', async () => {
  const { output } = await run('import { args, pid } from "ennead:rt"; console.log(args.join("|"), pid() > 1)', { args: ['a', 'b c'] });
  equal(output, 'a|b c true\n');
});

test('bytecode does the same as its source, has no eval(), and does not depend on where it was built', async () => {
  const source = 'import { args } from "ennead:rt";\nlet how = "eval";\ntry { eval("1") } catch { how = "no eval" }\ntry { new Function("return 1")() } catch { how += ", no Function" }\nconsole.log(args[0], how, /a(b)/.exec("ab")[1]);\nthrow new Error("end")';
  for (const directory of ['one', 'two']) {
    rt.mkdir(`${scratch}/${directory}`);
    rt.writeFile(`${scratch}/${directory}/same.mjs`, bytes(source));
    const compiled = await run(null, { before: ['--compile'], path: `${scratch}/${directory}/same.mjs`, args: [`${scratch}/${directory}/same.qbc`] });
    equal([compiled.status, compiled.output], [0, '']);
  }
  equal(rt.readFile(`${scratch}/one/same.qbc`, 1 << 20), rt.readFile(`${scratch}/two/same.qbc`, 1 << 20));
  const { status, output } = await run(null, { path: `${scratch}/one/same.qbc`, args: ['x'] });
  equal(status, 70);
  check(output.startsWith('x no eval, no Function b\n') && output.includes('same.mjs:6'), output);
});

test('the static program runs the same bytecode', async () => {
  const child = rt.spawn({ argv: [staticProgram, `${scratch}/one/same.qbc`, 'y'] });
  equal(await ended(child), { status: 70, signal: null });
});

test('--compile refuses what is no module, and a file that it cannot write', async () => {
  rt.writeFile(`${scratch}/bad.mjs`, bytes('let let'));
  equal((await run(null, { before: ['--compile'], path: `${scratch}/bad.mjs`, args: [`${scratch}/bad.qbc`] })).status, 70);
  equal(rt.stat(`${scratch}/bad.qbc`), null);
  equal((await run('1', { before: ['--compile'], args: ['/nonexistent/x.qbc'] })).status, 70);
});

test('bytecode that is none is refused', async () => {
  rt.writeFile(`${scratch}/noise.qbc`, rt.randomBytes(100).fill(0, 0, 1));
  equal((await run(null, { path: `${scratch}/noise.qbc` })).status, 70);
  equal((await run(null, { path: `${scratch}/missing.qbc` })).status, 70);
});

test('wrong usage: 64', async () => {
  equal((await run(null, { path: '' })).status, 64);
  equal((await run(null, { path: '', args: ['--what'] })).status, 64);
  equal((await run(null, { path: '', args: ['--init'] })).status, 64);
});

test('the supervisor ends with a service that ends well', async () => {
  const { status, output } = await run('console.log("once")', { before: ['--init'] });
  equal(status, 0);
  check(/^once\nsupervisor: the service ended with status 0\n$/.test(output), output);
});

test('the supervisor starts a failing service again, five times in a minute, then gives up', async () => {
  const { status, output } = await run('console.log("start"); throw 1', { before: ['--init'] });
  equal(status, 70);
  equal(output.match(/^start$/gm).length, 6);
  check(/more than 5 restarts in 60 s/.test(output), output);
});

test('the supervisor tells the signal that ended a service', async () => {
  const { output } = await run('import { kill, pid, boxRead, boxWrite, exit } from "ennead:rt"; if (boxRead()) exit(0); boxWrite(new Uint8Array(1)); kill(pid(), 9)', { before: ['--init'] });
  check(/ended by signal 9\n.*status 0/s.test(output), output);
});

test('the recovery box survives a restart; a process of its own has its own', async () => {
  const source = `import * as rt from 'ennead:rt';
const before = rt.boxRead();
console.log(before === null ? 'empty' : before.length + ':' + before[0]);
rt.boxWrite(new Uint8Array((before?.length ?? 0) + 80000).fill((before?.[0] ?? 0) + 1));
rt.exit(before?.length === 160000 ? 0 : 1);`;
  const { output } = await run(source, { before: ['--init'] });
  equal(output.split('\n').filter((line) => !line.startsWith('supervisor')), ['empty', '80000:1', '160000:2', '']);
  equal((await run(source)).output, 'empty\n');
});

test('orphans are reaped by the supervisor', async () => {
  const { status, output } = await run(`import * as rt from 'ennead:rt';
const child = rt.spawn({ argv: ['/bin/sh', '-c', 'exit 0'] });
rt.onReadable(child.pidfd, () => { rt.reap(child.pid); rt.close(child.pidfd); });`, { before: ['--init'] });
  equal([status, /status 0/.test(output)], [0, true]);
});
