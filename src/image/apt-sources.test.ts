import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { derivePrivateSources, parseDeb822, parseOneLine, readAptSources, releaseSources } from './apt-sources.ts';

const DEB822 = `# the base system
Types: deb
URIs: http://mirror.test/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.test/security
Suites: bookworm-security
# a comment in the middle
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINBGPL0BUBEADmW5Nd
 -----END PGP PUBLIC KEY BLOCK-----

Enabled: no
Types: deb
URIs: http://mirror.test/debian
Suites: bookworm-backports
Components: main
`;

const ONE_LINE = `# deb http://mirror.test/debian bookworm main
deb [arch=amd64,i386 signed-by=/etc/apt/key.gpg check-valid-until=no] http://mirror.test/debian bookworm main  # base
deb-src http://mirror.test/debian bookworm main
deb http://vendor.test/apt bookworm-vendor main
deb http://vendor.test/tools bookworm stable
`;

describe('parseDeb822()', () => {
  it('reads stanzas, keeps an embedded key as it is, and leaves out what is not enabled', () => {
    const [base, security, ...rest] = parseDeb822(DEB822);
    expect(rest).toEqual([]);
    expect(base).toEqual({
      types: ['deb'],
      uris: ['http://mirror.test/debian'],
      suites: ['bookworm', 'bookworm-updates'],
      components: ['main', 'contrib'],
      options: { 'Signed-By': '/usr/share/keyrings/debian-archive-keyring.gpg' },
    });
    expect(security!.components).toEqual(['main']);
    expect(security!.options['Signed-By']).toContain('\n .\n mQINBGPL0BUBEADmW5Nd\n');
  });
});

describe('parseOneLine()', () => {
  it("reads entries with their options under deb822's names, and no comments", () => {
    const [base, source, ...others] = parseOneLine(ONE_LINE);
    expect(others).toHaveLength(2);
    expect(base).toEqual({
      types: ['deb'],
      uris: ['http://mirror.test/debian'],
      suites: ['bookworm'],
      components: ['main'],
      options: { Architectures: 'amd64 i386', 'Signed-By': '/etc/apt/key.gpg', 'Check-Valid-Until': 'no' },
    });
    expect(source!.types).toEqual(['deb-src']);
  });
});

describe('releaseSources()', () => {
  it("leaves out other vendors' suites and components", () => {
    const uris = releaseSources(parseOneLine(ONE_LINE), 'bookworm').flatMap((source) => source.uris);
    expect(new Set(uris)).toEqual(new Set(['http://mirror.test/debian']));
  });
});

describe('derivePrivateSources()', () => {
  it('asks the same archives, with the same keys, for source packages', () => {
    const text = derivePrivateSources(parseDeb822(DEB822), 'bookworm', [{ types: ['deb-src'] }]);
    expect(text).toBe(`Types: deb-src
URIs: http://mirror.test/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb-src
URIs: http://mirror.test/security
Suites: bookworm-security
Components: main
Signed-By: 
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINBGPL0BUBEADmW5Nd
 -----END PGP PUBLIC KEY BLOCK-----
`);
  });

  it('names another release once, in the archive of the release itself only', () => {
    const text = derivePrivateSources(parseDeb822(DEB822), 'bookworm', [
      { types: ['deb-src'], otherRelease: 'trixie' },
    ]);
    expect(text.match(/Suites: .*/g)).toEqual(['Suites: trixie']);
  });

  it('gives the same stanza once where the machine lists deb and deb-src apart', () => {
    const both = parseOneLine(
      'deb http://mirror.test/debian bookworm main\ndeb-src http://mirror.test/debian bookworm main\n',
    );
    const text = derivePrivateSources(both, 'bookworm', [{ types: ['deb-src'] }]);
    expect(text.match(/Types:/g)).toHaveLength(1);
  });

  it('can be read back', () => {
    const text = derivePrivateSources(parseDeb822(DEB822), 'bookworm', [{ types: ['deb', 'deb-src'] }]);
    expect(parseDeb822(text).map((source) => source.types)).toEqual([
      ['deb', 'deb-src'],
      ['deb', 'deb-src'],
    ]);
  });
});

describe('readAptSources()', () => {
  it("reads apt's files of both formats and nothing else in their folder", async () => {
    const etc = await mkdtemp(join(tmpdir(), 'ennead-apt-'));
    try {
      await mkdir(join(etc, 'sources.list.d'));
      await writeFile(join(etc, 'sources.list'), 'deb http://a.test/debian bookworm main\n');
      await writeFile(join(etc, 'sources.list.d', 'b.sources'), DEB822);
      await writeFile(join(etc, 'sources.list.d', 'c.list'), 'deb http://c.test/debian bookworm main\n');
      await writeFile(join(etc, 'sources.list.d', 'd.list.disabled'), 'deb http://d.test/debian bookworm main\n');
      const uris = (await readAptSources(etc)).flatMap((source) => source.uris);
      expect(uris).toEqual([
        'http://a.test/debian',
        'http://mirror.test/debian',
        'http://mirror.test/security',
        'http://c.test/debian',
      ]);
    } finally {
      await rm(etc, { recursive: true });
    }
  });

  it('finds nothing, rather than failing, where there is no configuration', async () => {
    expect(await readAptSources('/nonexistent')).toEqual([]);
  });
});
