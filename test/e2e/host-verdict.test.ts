import { expect, test } from 'vitest';
import { complaintsAbout } from './host-verdict.ts';

const CLEAN = { status: 0, stdout: 'the host is shut down\n', stderr: '' };
const LOG = '(XEN) Xen 4.17\r\n(d5) ennead[toolstack]: ready\r\n';
const DENIED = '(XEN) avc:  denied  { create } for domid=16 target=17\r\n';

test('there is nothing to say of a host that stopped when asked, and in which Xen refused nothing', () => {
  expect(complaintsAbout(CLEAN, LOG)).toEqual([]);
});

test('a host that had to be switched off is a complaint, with what the command said', () => {
  const forced = { status: 21, stdout: '', stderr: 'ennead: the virtual host was switched off by force\n' };
  expect(complaintsAbout(forced, LOG)).toEqual([expect.stringMatching(/cleanly \(21\): .*by force$/)]);
});

test('a refusal by Xen anywhere in the serial log is a complaint, with the first one', () => {
  expect(complaintsAbout(CLEAN, `${LOG}${DENIED}${LOG}${DENIED}`)).toEqual([
    'Xen refused 2 times, first: (XEN) avc:  denied  { create } for domid=16 target=17',
  ]);
});
