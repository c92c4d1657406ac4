// Pages of files as shared memory, and waiting for one descriptor.
const at = (name) => `${scratch}/${name}`;
const pages = (name, count) => {
  rt.writeFile(at(name), new Uint8Array(count * 4096));
  return at(name);
};

test('two maps of one file are the same memory, and the file\'s bytes', () => {
  const path = pages('shared', 2);
  const [one, two] = [rt.regionFile(path, 2, true), rt.regionFile(path, 1, false)];
  rt.regionWrite(one, 4092, new Uint8Array([1, 2, 3, 4, 5]));
  equal(rt.regionRead(two, 4092, 4), [1, 2, 3, 4]);
  equal(rt.readFile(path, 8192)[4096], 5);
  equal([rt.regionSize(one), rt.regionSize(two)], [8192, 4096]);
  throws('EINVAL', () => rt.regionRead(two, 4093, 4));
  throws('EACCES', () => rt.regionStore32(two, 0, 1));
  rt.regionClose(one);
  rt.regionClose(two);
  throws('EBADF', () => rt.regionSize(one));
});

test('only a whole file with enough pages is mapped: no shorter one, no link, no directory, no pipe', () => {
  const path = pages('short', 1);
  throws('EINVAL', () => rt.regionFile(path, 2, true));
  throws('ENOENT', () => rt.regionFile(at('missing'), 1, true));
  rt.symlink(path, at('link-to-pages'));
  throws('ELOOP', () => rt.regionFile(at('link-to-pages'), 1, true));
  throws('EINVAL', () => rt.regionFile(scratch, 1, false));
  throws('EINVAL', () => rt.regionFile('/dev/null', 1, false));
});

test('a mapped file may be removed: the memory stays', () => {
  const path = pages('removed', 1);
  const region = rt.regionFile(path, 1, true);
  rt.unlink(path);
  rt.regionStore32(region, 0, 7);
  equal(rt.regionLoad32(region, 0), 7);
  rt.regionClose(region);
});

test('waitReadable() waits for bytes, or for its time', () => {
  const { readFd, writeFd } = rt.pipe();
  equal(rt.waitReadable(readFd, 0), false);
  const before = rt.monotonicMs();
  equal(rt.waitReadable(readFd, 30), false);
  check(rt.monotonicMs() - before >= 29, 'too early');
  rt.write(writeFd, bytes('x'));
  equal(rt.waitReadable(readFd, 60000), true);
  equal(text(rt.read(readFd, 10)), 'x');
  rt.close(writeFd);
  equal(rt.waitReadable(readFd, 60000), true);
  rt.close(readFd);
  throws('EBADF', () => rt.waitReadable(readFd, 0));
});
