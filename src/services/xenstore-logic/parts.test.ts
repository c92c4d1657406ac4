import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Permissions } from '../../contracts/xenstore-state.ts';
import { inherited, isAllowed } from './access.ts';
import { decodeBootClients } from './boot-clients.ts';
import { ClientTable } from './client-table.ts';
import { limitKindOf } from './limits.ts';
import { absolutePath, resolveWatchPath, toldPath } from './paths.ts';
import type { RecoveryBox } from './ports.ts';
import { isPrivileged, mayControl, mayCount, maySetLimits } from './privileges.ts';

describe('absolutePath()', () => {
  it.each([
    ['device/vif', '/local/domain/16/device/vif'],
    ['/a/b-c_d@e', '/a/b-c_d@e'],
    ['/', '/'],
    [`/${'a'.repeat(2047)}`, `/${'a'.repeat(2047)}`],
    [`/local/domain/5/${'a'.repeat(2048)}`, `/local/domain/5/${'a'.repeat(2048)}`],
  ])('of %s', (given, absolute) => {
    expect(absolutePath(16, given, { pathMax: 2048 })).toBe(absolute);
  });

  it.each(['', '/a/', '//', 'a//b', '/a b', '/ä', '/a.b', `/${'a'.repeat(2048)}`, `${'a'.repeat(2049)}`])(
    'refuses %s',
    (given) => {
      expect(absolutePath(16, given, { pathMax: 2048 })).toBeNull();
    },
  );

  it('refuses a path that is longer than it was set, without the home that it is in', () => {
    const limit = { pathMax: 300 };
    const below = 'a'.repeat(300);
    expect(absolutePath(16, below, limit)).toBe(`/local/domain/16/${below}`);
    for (const given of [`${below}a`, `/${below}`]) expect(absolutePath(16, given, limit)).toBeNull();
  });

  it('takes special paths for watches only', () => {
    expect(resolveWatchPath(16, '@releaseDomain', { pathMax: 2048 })).toEqual({
      absolute: '@releaseDomain',
      relative: false,
    });
    expect(resolveWatchPath(16, '@', { pathMax: 2048 })).toBeNull();
  });

  it('a watcher is told the kind of path that it asked with', () => {
    expect(toldPath(16, true, '/local/domain/16/device/vif')).toBe('device/vif');
    expect(toldPath(16, false, '/local/domain/16/device/vif')).toBe('/local/domain/16/device/vif');
  });
});

describe('isAllowed()', () => {
  const permissions: Permissions = [
    { domid: 16, access: 'read' },
    { domid: 17, access: 'write' },
    { domid: 17, access: 'both' },
    { domid: 18, access: 'none' },
  ];
  it.each([
    ['the owner everything', 16, null, [true, true, true]],
    ['a named domain what its first entry says', 17, null, [false, true, false]],
    ['a domain that is named to be shut out, nothing', 18, null, [false, false, false]],
    ["everybody else what the owner's entry says", 19, null, [true, false, false]],
    ['who acts for the owner, everything', 19, 16, [true, true, true]],
    ['who acts for a named domain, what that may', 19, 17, [false, true, false]],
    ['Builder everything', 4, null, [true, true, true]],
  ])('allows %s', (_, domid, target, expected) => {
    const rights = (['read', 'write', 'owner'] as const).map((right) =>
      isAllowed(domid, { target }, '/a', permissions, right),
    );
    expect(rights).toEqual(expected);
  });

  it('nothing on a node without permissions', () => {
    expect(isAllowed(16, { target: null }, '/a', [], 'read')).toBe(false);
  });
});

describe('inherited()', () => {
  const parent: Permissions = [
    { domid: 16, access: 'none' },
    { domid: 17, access: 'both' },
  ];
  it('replaces the owner for ordinary domains', () => {
    expect(inherited(17, '/x', parent)).toEqual([{ domid: 17, access: 'none' }, parent[1]]);
    expect(inherited(4, '/x', parent)).toEqual(parent);
  });
});

describe('privileges', () => {
  it.each([
    [4, '/anything', true],
    [5, '/local/domain/16/x', true],
    [5, '/local/domain/4', false],
    [5, '/local/domain/4/x', false],
    [5, '/local/domain/40', true],
    [5, '/local/domain/1/x', false],
    [5, '/ennead/guests/x', true],
    [5, '/ennead/trust', false],
    [5, '/', false],
    [5, '@releaseDomain', true],
    [6, '/local/domain/6', false],
    [16, '/', false],
  ])('of domain %d at %s: %s', (domid, path, expected) => {
    expect(isPrivileged(domid, path)).toBe(expected);
  });

  it('only Builder controls domains, only Toolstack counts what they use and sets what they may use; the privileged have no limits', () => {
    expect([4, 5, 6, 16].map(mayControl)).toEqual([true, false, false, false]);
    expect([4, 5, 6, 16].map(mayCount)).toEqual([false, true, false, false]);
    expect([4, 5, 6, 16].map(maySetLimits)).toEqual([false, true, false, false]);
    expect([1, 4, 5, 6, 15, 16].map(limitKindOf)).toEqual(['none', 'none', 'none', 'service', 'service', 'guest']);
  });
});

describe('decodeBootClients()', () => {
  it('reads what Bootstrapper writes', () => {
    expect(decodeBootClients('1:7,4:12')).toEqual([
      { domid: 1, port: 7 },
      { domid: 4, port: 12 },
    ]);
    expect(decodeBootClients(undefined)).toEqual([]);
  });

  it.each(['1', '1:', 'x:1', '1:2,', '40000:1'])('refuses %s', (parameter) => {
    expect(() => decodeBootClients(parameter)).toThrow(RangeError);
  });
});

describe('the client table', () => {
  const box = (): RecoveryBox => {
    let kept: Uint8Array | null = null;
    return {
      read: () => kept,
      write: (bytes) => {
        kept = bytes;
      },
    };
  };

  function tableOf(kept: RecoveryBox): ClientTable {
    const table = new ClientTable(kept);
    table.load();
    return table;
  }

  function emptyTable(kept: RecoveryBox): ClientTable {
    const table = new ClientTable(kept);
    table.clear();
    return table;
  }

  it('survives in the box, flags and turn included', () => {
    const kept = box();
    const table = emptyTable(kept);
    const clients = [16, 17, 18].map((domid) => table.add(domid, domid + 100, domid + 200));
    for (const client of clients) client.waiting = true;
    Object.assign(clients[1] ?? {}, { unsent: true, broken: true });
    table.save();
    expect(table.nextWaiting()?.domid).toBe(17);
    table.save();
    const again = tableOf(kept);
    expect(again.at(117)).toEqual(clients[1]);
    expect(again.nextWaiting()?.domid).toBe(18);
    expect(again.nextWaiting()?.domid).toBe(16);
    expect(again.at(16)).toBeUndefined();
  });

  /** Magic number, turn, counters; then one record and its place in the order of ports. */
  const bytes = (domid: readonly [number, number], flags: number, place: number) =>
    Uint8Array.of(0x45, 0x4e, 0x4c, 0x32, ...Array(12).fill(0), ...domid, flags, 0, 7, ...Array(7).fill(0), place, 0);

  it('is read from what it has written', () => {
    expect(tableOf({ read: () => bytes([16, 0], 0x1, 0), write: () => undefined }).at(7)?.waiting).toBe(true);
  });

  it.each([
    ['nothing', null],
    ['something short', Uint8Array.of(1)],
    ['something else', new Uint8Array(30)],
    ['half a record', bytes([16, 0], 0, 0).subarray(0, 29)],
    ['a reserved domid', bytes([0xf0, 0x7f], 0, 0)],
    ['flags that do not exist', bytes([16, 0], 0x20, 0)],
    ['an order of ports that is none', bytes([16, 0], 0, 1)],
  ])('is not read from %s', (_, damaged) => {
    const use = () => {
      const table = tableOf({ read: () => damaged, write: () => undefined });
      return [table.all(), table.at(7)];
    };
    expect(use).toThrow();
  });

  it('finds every client by domid and by port, and nobody else, whoever came and went', () => {
    const change = fc.record({ domid: fc.integer({ min: 0, max: 60 }), waiting: fc.boolean(), held: fc.boolean() });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 80 }), (changes) => {
        const kept = box();
        const table = emptyTable(kept);
        const model = new Map<number, { waiting: boolean; held: boolean }>();
        for (const [index, { domid, ...flags }] of changes.entries()) {
          const present = table.of(domid);
          if (present && index % 3 === 0) table.remove(present);
          else Object.assign(present ?? table.add(domid, (domid * 37) % 61, domid + 1000), flags);
          if (present && index % 3 === 0) model.delete(domid);
          else model.set(domid, flags);
          table.save();
          table.load();
        }
        expect(table.someoneWaits).toBe([...model.values()].some(({ waiting }) => waiting));
        for (let domid = 0; domid <= 60; domid += 1) {
          const port = (domid * 37) % 61;
          const expected = model.get(domid);
          expect(table.at(port)).toBe(table.of(domid));
          expect(table.of(domid)).toEqual(expected && expect.objectContaining({ domid, port, ...expected }));
        }
        const held = [...model.values()].some((flags) => flags.held);
        expect(table.retryHeld()).toBe(held);
        table.save();
        expect(tableOf(kept).retryHeld()).toBe(false);
      }),
    );
  });
});
