// Files, directories, links.
const at = (name) => `${scratch}/${name}`;

test('writeFile() and readFile() carry bytes, and the mode', () => {
  const data = rt.randomBytes(65536);
  rt.writeFile(at('data'), data, 0o640);
  equal(rt.readFile(at('data'), 65536), data);
  equal(rt.stat(at('data')), { kind: 'file', size: 65536, blocks: rt.stat(at('data')).blocks, major: 0, minor: 0, mtimeMs: rt.stat(at('data')).mtimeMs });
  check(Math.abs(rt.stat(at('data')).mtimeMs - rt.wallClockMs()) < 60000, 'mtime');
  throws('EFBIG', () => rt.readFile(at('data'), 65535));
  rt.writeFile(at('data'), new Uint8Array(0));
  equal(rt.readFile(at('data'), 0), []);
  throws('EISDIR', () => rt.readFile(scratch, 10));
  throws('ENOENT', () => rt.writeFile(at('none/x'), new Uint8Array(1)));
});

test('readFile() reads files without a size', () => {
  check(text(rt.readFile('/proc/self/status', 65536)).includes('Pid:'), '/proc');
});

test('open flags: r, w, a, r+, rw', () => {
  throws('ENOENT', () => rt.open(at('flags'), 'r'));
  throws('ENOENT', () => rt.open(at('flags'), 'r+'));
  const using = (flags, body) => {
    const fd = rt.open(at('flags'), flags);
    try {
      return body(fd);
    } finally {
      rt.close(fd);
    }
  };
  equal(using('w', (fd) => rt.write(fd, bytes('hello'))), 5);
  using('a', (fd) => rt.write(fd, bytes(' world')));
  equal(text(using('r', (fd) => rt.read(fd, 100))), 'hello world');
  using('rw', (fd) => rt.pwrite(fd, bytes('J'), 0));
  equal(text(using('r+', (fd) => rt.pread(fd, 4, 1))), 'ello');
  equal(using('r', (fd) => rt.pread(fd, 4, 1000)), []);
  using('rw', (fd) => {
    rt.ftruncate(fd, 3);
    rt.fsync(fd);
  });
  equal(text(rt.readFile(at('flags'), 100)), 'Jel');
  throws('EBADF', () => using('r', (fd) => rt.write(fd, bytes('x'))));
  using('w', () => equal(rt.stat(at('flags')).size, 0));
  throws('EBADF', () => rt.close(500));
});

test('directories: sorted names, no dots; mkdir, rename, rmdir', () => {
  rt.mkdir(at('dir'));
  throws('EEXIST', () => rt.mkdir(at('dir')));
  for (const name of ['b', 'a', '.hidden', 'Z', 'ü']) rt.writeFile(at(`dir/${name}`), new Uint8Array(0));
  equal(rt.readdir(at('dir')), ['.hidden', 'Z', 'a', 'b', 'ü']);
  throws('ENOTEMPTY', () => rt.rmdir(at('dir')));
  for (const name of rt.readdir(at('dir'))) rt.unlink(at(`dir/${name}`));
  rt.rename(at('dir'), at('other'));
  equal(rt.stat(at('dir')), null);
  rt.rmdir(at('other'));
  throws('ENOTDIR', () => rt.readdir('/proc/self/status'));
});

test('links: symlink, readlink; stat follows', () => {
  rt.symlink('target', at('link'));
  equal(rt.readlink(at('link')), 'target');
  equal(rt.stat(at('link')), null);
  rt.mkdir(at('target'), 0o700);
  equal(rt.stat(at('link')).kind, 'directory');
  throws('EINVAL', () => rt.readlink(at('target')));
  rt.chmod(at('target'), 0o500);
  rt.unlink(at('link'));
  rt.rmdir(at('target'));
});

test('devices have a kind and numbers; statfs() has sizes', () => {
  const { kind, major, minor } = rt.stat('/dev/null');
  equal({ kind, major, minor }, { kind: 'char', major: 1, minor: 3 });
  const { totalBytes, freeBytes } = rt.statfs(scratch);
  check(totalBytes > 0 && freeBytes >= 0 && freeBytes <= totalBytes, 'statfs');
});

test('a stretch of at most 1 MiB is taken at once', () => {
  const fd = rt.open(at('large'), 'w');
  equal(rt.write(fd, new Uint8Array((1 << 20) + 5)), 1 << 20);
  rt.close(fd);
  rt.unlink(at('large'));
});

test('randomBytes() gives what was asked for, and not the same twice', () => {
  equal(rt.randomBytes(0), []);
  check(text(rt.randomBytes(32)) !== text(rt.randomBytes(32)), 'equal');
});
