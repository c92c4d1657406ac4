// Every exported function refuses what it must not get, before it acts, with an RtError; whatever the value.
const buffer = new Uint8Array(4);
const detachable = () => {
  const array = new Uint8Array(8);
  array.buffer.transfer?.();
  return array;
};

const odd = [undefined, null, true, Number.NaN, -1, -0.5, 1.5, 2 ** 53, 1e300, Number.POSITIVE_INFINITY, 10n, '', 'x', 'a\0b',
  'y'.repeat(70000), {}, [], [1, 'x'], [Number.NaN], new Array(5000).fill(0), Symbol('s'), () => 0, buffer, new Uint16Array(2),
  new ArrayBuffer(4), detachable(), new Date(), /x/, new Proxy({}, { get() { throw new RangeError('trap'); } }),
  new Proxy([], { get() { throw new RangeError('trap'); } })];

// For each parameter, which of the odd values it does take. What is not listed has to be refused.
const isInteger = (low, high) => (v) => typeof v === 'number' && Number.isInteger(v) && v >= low && v <= high;
const isDelay = (v) => typeof v === 'number' && v > -1 && v <= 2147483647;
const isText = (v) => typeof v === 'string' && v.length > 0 && v.length < 4096 && !v.includes('\0');
const isShort = (length) => (v) => isText(v) && v.length <= length;
const isBytes = (v) => v instanceof Uint8Array;
const isFunction = (v) => typeof v === 'function';
const isHandler = (v) => v === null || isFunction(v);
const isBoolean = (v) => typeof v === 'boolean';
const isAnyText = (v) => typeof v === 'string';
const isMode = (v) => v === undefined || isInteger(0, 4095)(v);
const isObject = (v) => v instanceof Object;
const never = () => false;
const [fd, domid, size, uint32, port] = [isInteger(0, 511), isInteger(0, 0x7fef), isInteger(0, 2 ** 53 - 1), isInteger(0, 2 ** 32 - 1), isInteger(0, 2 ** 31 - 1)];
const signatures = {
  exit: [never], pid: [], log: [isAnyText], monotonicMs: [], wallClockMs: [], randomBytes: [isInteger(0, 65536)],
  onReadable: [fd, isHandler], onWritable: [fd, isHandler], waitReadable: [fd, isDelay], setTimer: [isDelay, isFunction], clearTimer: [isInteger(1, 2 ** 31 - 1)],
  open: [isText, never, isMode], close: [fd], read: [fd, isInteger(0, 1 << 20)], write: [fd, isBytes],
  pread: [fd, isInteger(0, 1 << 20), size], pwrite: [fd, isBytes, size], fsync: [fd], ftruncate: [fd, size],
  readFile: [isText, isInteger(0, 64 << 20)], writeFile: [isText, isBytes, isMode], stat: [isText], readdir: [isText],
  readlink: [isText], symlink: [isText, isText], mkdir: [isText, isMode], rmdir: [isText], unlink: [isText], rename: [isText, isText],
  chmod: [isText, isInteger(0, 4095)], statfs: [isText], mount: [isText, isText, isShort(31), isObject], umount: [isText], sync: [],
  reboot: [never], setHostname: [isShort(64)], spawn: [never], reap: [isInteger(1, 4194304)], kill: [isInteger(1, 4194304), never], pipe: [],
  unixListen: [isShort(107), isInteger(1, 128)], unixAccept: [fd], unixConnect: [isShort(107)], shutdownWrite: [fd], openUevents: [],
  bridgeCreate: [isShort(15)], bridgeAddInterface: [isShort(15), isShort(15)], bridgeRemoveInterface: [isShort(15), isShort(15)],
  interfaceUp: [isShort(15), isBoolean], tapCreate: [isShort(15), isInteger(0, 65535)], loopAttach: [isText, never], loopDetach: [isShort(31)],
  evtchnAllocUnbound: [domid], evtchnBindInterdomain: [domid, port], evtchnBindVirq: [isInteger(0, 23)], evtchnUnbind: [port],
  evtchnNotify: [port], onEvent: [isHandler], evtchnWait: [port, isDelay], grantMap: [domid, never, isBoolean],
  grantShare: [domid, isInteger(1, 1024), isBoolean], grantKeep: [domid, isInteger(1, 16)], foreignMap: [isInteger(0, 0x7ff0), never, isBoolean], regionFile: [isText, isInteger(1, 1024), isBoolean], regionClose: [port],
  regionSize: [port], regionRead: [port, port, port], regionWrite: [port, port, isBytes], regionLoad32: [port, port],
  regionStore32: [port, port, uint32], domainList: [domid, isInteger(1, 1024)], domainCreate: [never], domainDestroy: [domid],
  domainPause: [domid], domainUnpause: [domid], domainShutdown: [domid, isInteger(0, 5)], domainPowerButton: [domid],
  domainSetMaxMem: [domid, isInteger(0, 2 ** 30)],
  domainAllocEvtchn: [domid, domid], domainSetVirqHandler: [domid, isInteger(0, 23)], domainSetTarget: [domid, domid],
  domainBuildPv: [never], domainBuildPvh: [never], domainBuildHvm: [never],
  flaskContextToSid: [isShort(1023)], flaskSidToContext: [uint32], flaskRelabel: [domid, uint32], flaskEnforcing: [],
  pciAssign: [domid, uint32], pciDeassign: [domid, uint32], iomemPermission: [domid, size, size, isBoolean],
  ioportPermission: [domid, isInteger(0, 65535), isInteger(1, 65536), isBoolean], mapGsi: [domid, isInteger(0, 4095)],
  irqPermission: [domid, isInteger(0, 4095), isBoolean], physInfo: [], xenVersion: [], xenMessages: [],
  rollbackAfterEveryHandler: [], onHandlerFailure: [isHandler], setHandlerLimit: [isDelay], heapStats: [], boxWrite: [isBytes], boxRead: [],
};

// Arguments that pass the checks of every function and still do nothing: no such file, descriptor, domain, region.
const nowhere = '/nonexistent/ennead';
const harmless = {
  exit: [0], log: ['line'], randomBytes: [1], onReadable: [500, () => 0], onWritable: [500, () => 0], waitReadable: [500, 0], setTimer: [1e6, () => 0],
  clearTimer: [1], open: [nowhere, 'r', 0o600], close: [500], read: [500, 1], write: [500, buffer], pread: [500, 1, 0],
  pwrite: [500, buffer, 0], fsync: [500], ftruncate: [500, 0], readFile: [nowhere, 1], writeFile: [nowhere, buffer, 0o600], stat: [nowhere],
  readdir: [nowhere], readlink: [nowhere], symlink: ['x', nowhere], mkdir: [nowhere, 0o700], rmdir: [nowhere], unlink: [nowhere],
  rename: [nowhere, nowhere], chmod: [nowhere, 0], statfs: [nowhere], mount: ['none', nowhere, 'none', {}], umount: [nowhere], reboot: ['off'],
  setHostname: ['not a host name that would be taken: it is longer than sixty-four bytes'], spawn: [{ argv: [nowhere], uid: 1, gid: 1, confined: true }], reap: [4194304], kill: [4194304, 0], unixListen: [nowhere, 1], unixAccept: [500],
  unixConnect: [nowhere], shutdownWrite: [500], bridgeCreate: ['a/b'], bridgeAddInterface: ['no-such-bridge', 'no-such'],
  bridgeRemoveInterface: ['no-such-bridge', 'no-such'], interfaceUp: ['no-such', true], tapCreate: ['a/b', 0], loopAttach: [nowhere, { readOnly: true, directIo: false }],
  loopDetach: [nowhere], evtchnAllocUnbound: [1], evtchnBindInterdomain: [1, 1], evtchnBindVirq: [0], evtchnUnbind: [1], evtchnNotify: [1],
  onEvent: [null], evtchnWait: [1, 0], grantMap: [1, [1], false], grantShare: [1, 1, false], grantKeep: [1, 1], foreignMap: [1, [1], false], regionFile: [nowhere, 1, false], regionClose: [7],
  regionSize: [7], regionRead: [7, 0, 1], regionWrite: [7, 0, buffer], regionLoad32: [7, 0], regionStore32: [7, 0, 1], domainList: [0, 1],
  domainCreate: [{ kind: 'hvm', domid: 0, ssid: 1, uuid: new Uint8Array(16), vcpus: 1, maxMemoryKib: 1, iommu: false, clockOffsetSeconds: 0, grantFrames: 1, maptrackFrames: 0, eventPorts: 1 }],
  domainDestroy: [1], domainPause: [1], domainUnpause: [1], domainShutdown: [1, 0], domainPowerButton: [1], domainSetMaxMem: [1, 0],
  domainAllocEvtchn: [1, 1], domainSetVirqHandler: [1, 0], domainSetTarget: [1, 2],
  domainBuildHvm: [{ domid: 1, memoryMib: 1, loader: nowhere, firmware: nowhere, vcpus: 1, apic: true, hpet: true, storeDomid: 0, storePort: 0, consoleDomid: 0, consolePort: 0 }],
  domainBuildPvh: [{ domid: 1, memoryMib: 1, kernel: nowhere, ramdisks: [nowhere], cmdline: '', vcpus: 1, acpiAddress: 0xfc000000, acpi: new Uint8Array(36), storeDomid: 0, storePort: 0, consoleDomid: 0, consolePort: 0 }],
  domainBuildPv: [{ domid: 1, memoryMib: 1, kernel: nowhere, ramdisks: [nowhere], cmdline: '', storePageParameter: 'x', storeDomid: 0, storePort: 0, consoleDomid: 0, consolePort: 0, hardwareDomain: false }],
  flaskContextToSid: ['x'], flaskSidToContext: [1], flaskRelabel: [1, 1], pciAssign: [1, 1], pciDeassign: [1, 1],
  iomemPermission: [1, 0, 1, true], ioportPermission: [1, 0, 1, true], mapGsi: [1, 1], irqPermission: [1, 1, true], setHandlerLimit: [10000],
  boxWrite: [buffer], onHandlerFailure: [null],
};

test('the module exports exactly what rt.d.ts declares', () => {
  const declared = text(rt.readFile(declarations, 1 << 20)).matchAll(/export (?:function|const) (\w+)/g);
  equal(Object.keys(rt).sort(), [...declared].map((match) => match[1]).sort());
  equal([...Object.keys(signatures), 'args'].sort(), Object.keys(rt).sort());
});

for (const [name, parameters] of Object.entries(signatures)) {
  parameters.forEach((accepts, position) => {
    test(`${name}() refuses a bad argument ${position}`, () => {
      for (const value of odd.filter((candidate) => !accepts(candidate))) {
        const values = [...harmless[name]];
        values[position] = value;
        const error = refusal(name, values);
        const trapped = error instanceof RangeError && error.message === 'trap';
        check(trapped || (error?.code === 'EINVAL' && error.op === name), `value ${odd.indexOf(value)}: ${error}`);
      }
    });
  });
}

function refusal(name, values) {
  try {
    rt[name](...values);
    return undefined;
  } catch (error) {
    return error;
  }
}

for (const name of ['domainCreate', 'domainBuildPv', 'domainBuildPvh', 'domainBuildHvm', 'spawn', 'loopAttach']) {
  test(`${name}() refuses bad fields of its options`, () => {
    const position = harmless[name].findIndex((value) => Object.getPrototypeOf(value) === Object.prototype);
    for (const field of Object.keys(harmless[name][position])) {
      for (const value of [Symbol('s'), { length: 3 }, 2 ** 60, Number.NaN, 'a\0b', [{}], ['a\0b'], new Uint8Array(3)]) {
        const values = [...harmless[name]];
        values[position] = { ...values[position], [field]: value };
        check(refusal(name, values)?.code === 'EINVAL', `${field}: ${String(value)}`);
      }
    }
  });
}

test('missing arguments are refused as undefined ones are', () => {
  for (const [name, parameters] of Object.entries(signatures)) {
    if (parameters.length > 0 && name !== 'log') check(refusal(name, [])?.code === 'EINVAL', name);
  }
});

test('a getter that detaches or replaces things finds nothing to damage', () => {
  const hostile = {
    get readOnly() {
      throws('EINVAL', () => rt.open('', 'r'));
      return true;
    },
    get directIo() {
      return new Array(1000).fill(1).length === 1000;
    },
  };
  equal(throws('ENOENT', () => rt.loopAttach(nowhere, hostile)).op, 'loopAttach');
  const list = [nowhere];
  Object.defineProperty(list, 1, { configurable: true, get() { list.length = 0; return 'b'; } });
  throws('ENOENT', () => rt.spawn({ argv: list, env: { A: 'b' } }));
});

test('lists and records have limits', () => {
  const many = Array.from({ length: 65 }, () => 'x');
  throws('EINVAL', () => rt.spawn({ argv: many }));
  throws('EINVAL', () => rt.spawn({ argv: [nowhere], env: Object.fromEntries(many.map((value, i) => [`v${i}`, value])) }));
  throws('EINVAL', () => rt.spawn({ argv: [nowhere], env: { 'a=b': 'x' } }));
  throws('EINVAL', () => rt.spawn({ argv: [nowhere], env: { '': 'x' } }));
  throws('EINVAL', () => rt.spawn({ argv: [nowhere], env: { 'a\0b': 'x' } }));
  throws('EINVAL', () => rt.spawn({ argv: [nowhere], env: { a: 1 } }));
  throws('ENOENT', () => rt.spawn({ argv: [nowhere, '', 'x'], env: { a: '', b: 'x=y' } }));
  throws('EINVAL', () => rt.spawn({ argv: ['relative'] }));
  throws('EINVAL', () => rt.grantMap(1, [], true));
  throws('EINVAL', () => rt.grantMap(1, new Array(1025).fill(1), true));
  throws('EINVAL', () => rt.foreignMap(1, [2 ** 41], true));
  throws('EINVAL', () => rt.iomemPermission(1, 2 ** 40 - 1, 2, true));
  throws('EINVAL', () => rt.ioportPermission(1, 65535, 2, true));
  throws('EINVAL', () => rt.boxWrite(new Uint8Array((256 << 10) + 1)));
});

test('errors carry code, op, message and stack, whatever the prototypes are', () => {
  const error = throws('ENOENT', () => rt.readFile(nowhere, 1));
  equal(error.op, 'readFile');
  check(error.message.startsWith('readFile: ENOENT: ') && error.message.includes(nowhere), error.message);
  check(error.stack.includes('throws'), 'no stack');
  Object.defineProperty(Object.prototype, 'code', { configurable: true, set() { throw new Error('setter'); }, get: () => 'poison' });
  try {
    throws('ENOENT', () => rt.readFile(nowhere, 1));
    equal(rt.stat('/').kind, 'directory');
  } finally {
    delete Object.prototype.code;
  }
});
