import { describe, expect, it } from 'vitest';
import { formatFragment, parseFragment, unmetOptions } from './kconfig.ts';

describe('unmetOptions()', () => {
  const result = 'CONFIG_XEN=y\n# CONFIG_SMP is not set\nCONFIG_PHYSICAL_START=0x200000\n';

  it('is empty when every line is honoured, an absent option being off', () => {
    expect(unmetOptions('CONFIG_XEN=y\nCONFIG_SMP=n\nCONFIG_PCI=n\nCONFIG_PHYSICAL_START=0x200000\n', result)).toEqual(
      [],
    );
  });

  it('names what was dropped, what stayed on, and what got another value', () => {
    const wanted = 'CONFIG_PCI=y\nCONFIG_XEN=n\nCONFIG_PHYSICAL_START=0x100000\n';
    expect(unmetOptions(wanted, result)).toEqual(['CONFIG_PCI=y', 'CONFIG_XEN=n', 'CONFIG_PHYSICAL_START=0x100000']);
  });
});

it('a later fragment overrides an earlier one, and comments go', () => {
  const joined = '# base\nCONFIG_A=n\nCONFIG_B=y\n# more\nCONFIG_A=y\n';
  expect(formatFragment(parseFragment(joined))).toBe('CONFIG_A=y\nCONFIG_B=y\n');
});
