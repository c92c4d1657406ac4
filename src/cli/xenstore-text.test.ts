import fc from 'fast-check';
import { expect, test } from 'vitest';
import { escapeValue, formatTree, unescapeValue } from './xenstore-text.ts';

const node = (path: string, value = '', ...permissions: string[]) => ({ path, value, permissions });

test('a tree is indented, the permissions stand under each other', () => {
  const nodes = [node('/vm', '', 'n4'), node('/vm/name', 'web', 'n16', 'r5')];
  expect(formatTree('/', nodes)).toBe('vm = ""\n name = "web"\n');
  expect(formatTree('/vm', nodes.slice(1), { full: true, permissions: true })).toBe('/vm/name = "web"   (n16,r5)\n');
  expect(formatTree('/', nodes, { permissions: true })).toBe(
    'vm = ""  . . . . . . . . . . . . . . . . . . . . . . . . . .  (n4)\n name = "web"  . . . . . . . . . . . . . . . . . . . . . . .  (n16,r5)\n',
  );
});

test('a value too long for the line is cut, but not in whole paths', () => {
  const nodes = [node('/t/long', 'x'.repeat(70))];
  expect(formatTree('/t', nodes)).toBe(`long = "${'x'.repeat(68)}\\..."\n`);
  expect(formatTree('/t', nodes, { full: true })).toBe(`/t/long = "${'x'.repeat(70)}"\n`);
});

test('what a terminal cannot show is escaped', () => {
  expect(escapeValue('a\0\x07\b\t\n\r\x1b "\\é')).toBe('a\\000\\007\\x08\\t\\n\\r\\x1b "\\\\\\xc3\\xa9');
});

test('what was escaped comes back', () =>
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      expect(unescapeValue(escapeValue(text))).toBe(text);
    }),
  ));

test.each([
  ['\\x41\\102\\"', 'AB"'],
  ['no escapes', 'no escapes'],
  ['ends in \\', 'ends in \\'],
  ['\\q\\xzz', 'qxzz'],
])('unescapeValue() of %s', (text, value) => {
  expect(unescapeValue(text)).toBe(value);
});
