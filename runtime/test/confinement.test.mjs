// Confined programs. The attempts are those of confined.c, each of them harmless where it is not refused.
const attempts = rt.args[5];

async function attempt(what, options) {
  const { readFd, writeFd } = rt.pipe();
  const child = rt.spawn({ argv: [attempts, what], stdout: writeFd, ...options });
  rt.close(writeFd);
  const [output, how] = await Promise.all([drain(readFd), ended(child)]);
  return { ...how, outcomes: Object.fromEntries(output.split('\n').filter(Boolean).map((line) => line.split(': '))) };
}

const possible = ['memory', 'thread', 'unix_sockets', 'unix_socket', 'thread_name'];
const identities = isRoot ? [{}, { uid: 65534, gid: 65534 }] : [{}];

for (const identity of identities) {
  test(`a confined program computes and uses Unix sockets, and nothing else, ${JSON.stringify(identity)}`, async () => {
    const { status, outcomes } = await attempt('all', { confined: true, ...identity });
    equal(status, 0);
    check(Object.keys(outcomes).length > 25 && 'execve_itself' in outcomes, JSON.stringify(outcomes));
    for (const [what, outcome] of Object.entries(outcomes)) {
      const gone = what === 'clone3' || what.startsWith('execve') && what !== 'execveat';
      equal([what, outcome], [what, possible.includes(what) ? 'ok' : gone ? 'ENOSYS' : 'EPERM']);
    }
  });
}

test('it is the confinement that refuses', async () => {
  const { status, outcomes } = await attempt('all', {});
  equal(status, 0);
  for (const what of ['inet_socket', 'netlink_socket', 'ptrace', 'fork', 'clone_process', 'clone_user_namespace', 'execve', 'kill', 'filter', 'dumpable'])
    check(outcomes[what] !== 'EPERM' && outcomes[what] !== 'ENOSYS', `${what}: ${outcomes[what]}`);
  check(!('execve_itself' in outcomes), 'the program did not run itself');
});

const SIGSYS = 31;
for (const what of ['other-architecture', 'x32']) {
  test(`system calls of ${what} end a confined program`, async () => {
    equal(await attempt(what, { confined: true }), { status: null, signal: SIGSYS, outcomes: {} });
  });
}

test('a confined program has no new privileges', async () => {
  equal((await attempt('no-new-privileges', { confined: true })).outcomes, { 'no-new-privileges': '1' });
  equal((await attempt('no-new-privileges', {})).outcomes, { 'no-new-privileges': '0' });
});

test('a program that cannot be run confined is an error of spawn()', () => {
  throws('ENOENT', () => rt.spawn({ argv: ['/nonexistent/program'], confined: true }));
  throws('EACCES', () => rt.spawn({ argv: ['/etc/passwd'], confined: true }));
});

test('confined programs started at once do not wait for each other', async () => {
  const ends = await Promise.all(Array.from({ length: 8 }, () => attempt('no-new-privileges', { confined: true })));
  for (const { status } of ends) equal(status, 0);
});
