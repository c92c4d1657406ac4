// Put in front of every *.test.mjs by run.sh. Arguments: the program under test, a scratch directory, rt.d.ts.
import * as rt from 'ennead:rt';

const [program, scratch, declarations] = rt.args;
const tests = [];
const test = (name, body) => tests.push({ name, body });
const bytes = (text) => new TextEncoder().encode(text);
const text = (data) => new TextDecoder().decode(data);
const isRoot = /^Uid:\s+0/m.test(text(rt.readFile('/proc/self/status', 65536)));
const sleep = (ms) => new Promise((resolve) => rt.setTimer(ms, resolve));

function check(condition, message = 'check failed') {
  if (!condition) throw new Error(message);
}

function equal(actual, expected) {
  const [a, b] = [actual, expected].map((value) => JSON.stringify(value instanceof Uint8Array ? [...value] : value));
  check(a === b, `${a} is not ${b}`);
}

/** The error that `body` throws has this code, and is an RtError. */
function throws(code, body) {
  let error;
  try {
    body();
  } catch (caught) {
    error = caught;
  }
  check(error, `nothing thrown instead of ${code}`);
  check(error instanceof Error && error.code === code && typeof error.op === 'string', `${error} instead of ${code}`);
  return error;
}

/** Everything that a descriptor gives until its end. */
function drain(fd) {
  return new Promise((resolve) => {
    let all = '';
    rt.onReadable(fd, () => {
      const data = rt.read(fd, 65536);
      if (data === null) return;
      all += text(data);
      if (data.length > 0) return;
      rt.close(fd);
      resolve(all);
    });
  });
}

function ended(child) {
  return new Promise((resolve) => {
    rt.onReadable(child.pidfd, () => {
      const how = rt.reap(child.pid);
      if (!how) return;
      rt.close(child.pidfd);
      resolve(how);
    });
  });
}

let scripts = 0;

/** Runs a script (or, with `options`, compiled or supervised) in a process of its own. */
async function run(source, { before = [], args = [], env = {}, path, wrapper = [] } = {}) {
  const file = path ?? `${scratch}/script-${++scripts}.mjs`;
  if (source !== null) rt.writeFile(file, bytes(source));
  const { readFd, writeFd } = rt.pipe();
  const child = rt.spawn({ argv: [...wrapper, program, ...before, ...(file ? [file] : []), ...args], env, stdout: writeFd, stderr: writeFd });
  rt.close(writeFd);
  const [output, how] = await Promise.all([drain(readFd), ended(child)]);
  return { ...how, output };
}

const openDescriptors = () => rt.readdir('/proc/self/fd').length;

async function finish() {
  const descriptors = openDescriptors();
  let failed = 0;
  for (const { name, body } of tests) {
    try {
      await body();
      rt.log(`ok ${name}`);
    } catch (error) {
      failed++;
      console.log(`not ok ${name}:`, error);
    }
  }
  if (openDescriptors() !== descriptors) {
    failed++;
    rt.log(`not ok no descriptor is left over: ${openDescriptors()} instead of ${descriptors}`);
  } else {
    rt.log('ok no descriptor is left over');
  }
  rt.exit(failed ? 1 : 0);
}
