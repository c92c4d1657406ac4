import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { type CpioEntry, writeCpio } from './cpio.ts';

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

const ENTRIES: readonly CpioEntry[] = [
  { kind: 'file', path: 'init', mode: 0o755, bytes: text('hello') },
  { kind: 'directory', path: 'tmp', mode: 0o1777 },
  { kind: 'character-device', path: 'dev/console', major: 5, minor: 1 },
  { kind: 'link', path: 'bin', target: 'usr/bin' },
];

/** The format once more, written as the table of its specification: widths and order, nothing computed. */
const GOLDEN = [
  '070701 00000001 0000A1FF 00000000 00000000 00000001 00000000 00000007 00000000 00000000 00000000 00000000 00000004 00000000|bin~~~|usr/bin~',
  '070701 00000002 000041ED 00000000 00000000 00000002 00000000 00000000 00000000 00000000 00000000 00000000 00000004 00000000|dev~~~|',
  '070701 00000003 00002180 00000000 00000000 00000001 00000000 00000000 00000000 00000000 00000005 00000001 0000000C 00000000|dev/console~~~|',
  '070701 00000004 000081ED 00000000 00000000 00000001 00000000 00000005 00000000 00000000 00000000 00000000 00000005 00000000|init~~|hello~~~',
  '070701 00000005 000043FF 00000000 00000000 00000002 00000000 00000000 00000000 00000000 00000000 00000000 00000004 00000000|tmp~~~|',
  '070701 00000000 00000000 00000000 00000000 00000001 00000000 00000000 00000000 00000000 00000000 00000000 0000000B 00000000|TRAILER!!!~~~~|',
];

function golden(): string {
  const members = GOLDEN.map((line) => {
    const [header, ...rest] = line.split('|');
    return header!.replaceAll(' ', '').toLowerCase() + rest.join('').replaceAll('~', '\0');
  });
  return members.join('');
}

describe('writeCpio()', () => {
  it('writes the bytes of the newc format, sorted, with missing parents, padded to 512', () => {
    const bytes = Buffer.from(writeCpio(ENTRIES)).toString('latin1');
    const expected = golden();
    expect(bytes.slice(0, expected.length)).toBe(expected);
    expect(bytes.length % 512).toBe(0);
    expect(bytes.slice(expected.length)).toMatch(/^\0{0,511}$/);
  });

  it('gives the same bytes whatever the order of the entries', () => {
    expect(writeCpio([...ENTRIES].reverse())).toEqual(writeCpio(ENTRIES));
  });

  it('ends at the end of a page with the header of a file that lies behind it', () => {
    const bytes = Buffer.from(writeCpio(ENTRIES, { path: 'init', mode: 0o755, bytes: 5 }));
    expect(bytes.length % 4096).toBe(0);
    const last = bytes.lastIndexOf('070701');
    expect(last % 4).toBe(0);
    const [header, name] = GOLDEN[3]!.split('|');
    const sixth = header!.replace('00000004', '00000006').replaceAll(' ', '').toLowerCase();
    expect(bytes.subarray(last).toString('latin1')).toBe(sixth + name!.replaceAll('~', '\0'));
    const archive = golden();
    expect(bytes.subarray(0, last).toString('latin1').replace(/\0*$/, '')).toBe(archive.replace(/\0*$/, ''));
  });

  it('is read by cpio, which sees modes, owners, devices and links', () => {
    const listing = execFileSync('cpio', ['--list', '--verbose', '--numeric-uid-gid', '--quiet'], {
      input: writeCpio(ENTRIES),
      encoding: 'utf8',
      env: { ...process.env, TZ: 'UTC', LC_ALL: 'C' },
    });
    const rows = listing
      .trim()
      .split('\n')
      .map((row) => row.replace(/\s+/g, ' '));
    expect(rows).toEqual([
      'lrwxrwxrwx 1 0 0 7 Jan 1 1970 bin -> usr/bin',
      'drwxr-xr-x 2 0 0 0 Jan 1 1970 dev',
      'crw------- 1 0 0 5, 1 Jan 1 1970 dev/console',
      '-rwxr-xr-x 1 0 0 5 Jan 1 1970 init',
      'drwxrwxrwt 2 0 0 0 Jan 1 1970 tmp',
    ]);
  });

  it.each(['/init', 'a//b', '', 'a\0b', 'a/'])('refuses the path %j', (path) => {
    expect(() => writeCpio([{ kind: 'directory', path }])).toThrow(RangeError);
  });

  it('refuses two entries for one path', () => {
    expect(() => writeCpio([ENTRIES[0]!, ENTRIES[0]!])).toThrow('two entries for init');
  });
});
