// Random calls with random arguments: an error or a result, never a crash. The seed is run.sh's (SEED=n repeats it).
const seed = Number(rt.args[4]);
const CALLS = 30000;
let state = BigInt(seed) | 1n;

function below(limit) {
  state = (state * 6364136223846793005n + 1442695040888963407n) & ((1n << 64n) - 1n);
  return Number(state >> 33n) % limit;
}

const pick = (list) => list[below(list.length)];
const numbers = [-1, -0, 0, 1, 2, 3, 4, 255, 256, 300, 400, 499, 511, 512, 4095, 4096, 4097, 65535, 65536, 2 ** 20, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 40, 2 ** 53 - 1, 2 ** 53, 0.5, Number.NaN, Number.POSITIVE_INFINITY];
const nowhere = '/nonexistent/ennead/';
const texts = ['', nowhere, `${nowhere}x`, `${nowhere}\0`, nowhere + 'é'.repeat(3000), 'no-such-name', 'r', 'rw'];
const makers = [
  () => pick(numbers), () => pick(numbers), () => pick(numbers), () => below(2 ** 31), () => pick(texts), () => pick(texts), () => undefined,
  () => null, () => below(2) === 1, () => new Uint8Array(below(5000)), () => new Uint8Array(16).subarray(below(16)), () => () => pick(numbers),
  () => Array.from({ length: below(8) }, any), () => Array.from({ length: below(1200) }, () => below(2 ** 32)), options, options,
  () => new Uint32Array(below(9)), () => BigInt(below(100)), () => Symbol(), () => new Proxy([], {}),
];
const fields = ['argv', 'env', 'stdin', 'stdout', 'uid', 'confined', 'readOnly', 'directIo', 'data', 'kind', 'domid', 'ssid', 'uuid', 'vcpus', 'maxMemoryKib', 'iommu', 'clockOffsetSeconds', 'grantFrames', 'maptrackFrames', 'eventPorts', 'memoryMib', 'kernel', 'ramdisks', 'cmdline', 'storePageParameter', 'storeDomid', 'storePort', 'consoleDomid', 'consolePort', 'hardwareDomain', 'loader', 'firmware', 'apic', 'hpet'];

function any() {
  return pick(makers)();
}

/** An options object with random fields, some of which are getters that call into the module again. */
function options() {
  const object = {};
  for (let i = below(fields.length); i > 0; i--) {
    const [name, value] = [pick(fields), below(4) === 0 ? any() : pick([1, true, nowhere, [nowhere], new Uint8Array(16), {}])];
    if (below(8) > 0) Object.defineProperty(object, name, { configurable: true, enumerable: true, value });
    else Object.defineProperty(object, name, { configurable: true, enumerable: true, get: () => { attempt(); return value; } });
  }
  return object;
}

// These would end the test or change this machine with arguments that can come up here.
const excluded = ['exit', 'kill', 'close', 'reboot', 'setHostname', 'sync', 'rollbackAfterEveryHandler', 'setHandlerLimit', 'log', 'write', 'pwrite', 'ftruncate',
  'evtchnWait', 'waitReadable', 'reap', 'bridgeCreate', 'tapCreate', 'unixAccept', 'onReadable', 'onWritable', 'openUevents', 'pipe', 'args'];
const names = Object.keys(rt).filter((name) => !excluded.includes(name));
const outcomes = new Map();
let depth = 0;

function attempt() {
  if (depth > 3) return;
  const name = pick(names);
  depth++;
  let outcome = 'returned';
  try {
    const result = rt[name](...Array.from({ length: below(5) }, any));
    if (name === 'setTimer') rt.clearTimer(result);
    if (['open', 'unixListen', 'unixConnect'].includes(name)) rt.close(result);
    if (name === 'onEvent') rt.onEvent(null);
  } catch (error) {
    outcome = /^E[A-Z0-9]+$/.test(error?.code) && names.includes(error.op) ? error.code : `not an RtError: ${error}`;
  }
  depth--;
  outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
}

test(`${CALLS} random calls with seed ${seed} end in a result or an RtError`, () => {
  rt.setHandlerLimit(600000);
  for (let i = 0; i < CALLS; i++) attempt();
  equal([...outcomes.keys()].filter((outcome) => outcome.startsWith('not')), []);
  check(outcomes.get('EINVAL') > CALLS / 4, 'hardly anything was refused');
  check(outcomes.get('returned') > 100, 'hardly anything was done');
});
