// On a host without Xen every function of Xen's is a clean error.
const calls = {
  evtchnAllocUnbound: [1], evtchnBindInterdomain: [1, 1], evtchnBindVirq: [0], evtchnUnbind: [1], evtchnNotify: [1], evtchnWait: [1, 0],
  grantMap: [1, [1], true], grantShare: [1, 1, true], grantKeep: [1, 1], foreignMap: [0x7ff0, [1], true], domainList: [0, 10], domainDestroy: [0x7fef],
  domainPause: [0x7fef], domainUnpause: [0x7fef], domainShutdown: [0x7fef, 0], domainPowerButton: [0x7fef], domainSetMaxMem: [0x7fef, 1],
  domainAllocEvtchn: [1, 2], domainSetVirqHandler: [1, 3], flaskContextToSid: ['a:b:c'], flaskSidToContext: [1], flaskRelabel: [0x7fef, 1], flaskEnforcing: [],
  pciAssign: [1, 8], pciDeassign: [1, 8], iomemPermission: [1, 0, 2 ** 40, true], ioportPermission: [1, 0, 65536, false], mapGsi: [1, 9],
  irqPermission: [1, 9, true], physInfo: [], xenVersion: [], xenMessages: [],
  domainSetTarget: [1, 2],
  domainCreate: [{ kind: 'pv', domid: 0, ssid: 1, uuid: new Uint8Array(16), vcpus: 1, maxMemoryKib: 65536, iommu: true, clockOffsetSeconds: 0, grantFrames: 32, maptrackFrames: 0, eventPorts: 1023 }],
};

for (const [name, values] of Object.entries(calls)) {
  test(`${name}() throws ENOENT`, () => {
    equal(throws('ENOENT', () => rt[name](...values)).op, name);
  });
}

const build = { domid: 9, memoryMib: 32, ramdisks: [], cmdline: '', storeDomid: 3, storePort: 0, consoleDomid: 0, consolePort: 0, hardwareDomain: false };

test('domainBuildPv() looks at its files before it turns to Xen', () => {
  const kernel = `${scratch}/kernel`;
  rt.writeFile(kernel, bytes('no ELF'));
  throws('ENOENT', () => rt.domainBuildPv({ ...build, kernel: '/nonexistent' }));
  throws('EINVAL', () => rt.domainBuildPv({ ...build, kernel: '/dev/null' }));
  throws('EINVAL', () => rt.domainBuildPv({ ...build, kernel, ramdisks: [scratch] }));
  const error = throws('ENOENT', () => rt.domainBuildPv({ ...build, kernel, ramdisks: [kernel, kernel] }));
  check(error.message.includes('privileged command interface'), error.message);
});

const pvhBuild = { domid: 9, memoryMib: 32, ramdisks: [], cmdline: '', vcpus: 1, acpiAddress: 0xfc000000, acpi: new Uint8Array(36), storeDomid: 3, storePort: 0, consoleDomid: 0, consolePort: 0 };

test('domainBuildPvh() looks at its files and at the place of its tables before it turns to Xen', () => {
  const kernel = `${scratch}/kernel`;
  rt.writeFile(kernel, bytes('no ELF'));
  throws('ENOENT', () => rt.domainBuildPvh({ ...pvhBuild, kernel: '/nonexistent' }));
  throws('EINVAL', () => rt.domainBuildPvh({ ...pvhBuild, kernel, ramdisks: [scratch] }));
  for (const length of [35, 4097]) throws('EINVAL', () => rt.domainBuildPvh({ ...pvhBuild, kernel, acpi: new Uint8Array(length) }));
  for (const acpiAddress of [0xfc000010, 0xe0000, 0xfeff8000]) throws('EINVAL', () => rt.domainBuildPvh({ ...pvhBuild, kernel, acpiAddress }));
  const error = throws('ENOENT', () => rt.domainBuildPvh({ ...pvhBuild, kernel, ramdisks: [kernel] }));
  check(error.message.includes('privileged command interface'), error.message);
});

const hvmBuild = { domid: 9, memoryMib: 32, vcpus: 1, apic: true, hpet: true, storeDomid: 3, storePort: 0, consoleDomid: 0, consolePort: 0 };

test('domainBuildHvm() looks at its files before it turns to Xen', () => {
  const [loader, firmware] = [`${scratch}/loader`, `${scratch}/firmware`];
  rt.writeFile(loader, bytes('no ELF'));
  rt.writeFile(firmware, new Uint8Array(8192));
  throws('ENOENT', () => rt.domainBuildHvm({ ...hvmBuild, loader: '/nonexistent', firmware }));
  throws('ENOENT', () => rt.domainBuildHvm({ ...hvmBuild, loader, firmware: '/nonexistent' }));
  throws('EINVAL', () => rt.domainBuildHvm({ ...hvmBuild, loader, firmware: '/dev/null' }));
  throws('EINVAL', () => rt.domainBuildHvm({ ...hvmBuild, loader, firmware: loader })); // six bytes are no page
  const error = throws('ENOENT', () => rt.domainBuildHvm({ ...hvmBuild, loader, firmware }));
  check(error.message.includes('privileged command interface'), error.message);
});
