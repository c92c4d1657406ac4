/** From the manifests to the file that Xen loads, and back. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { contextOf, domainTypes } from '../contracts/flask-contexts.ts';
import type { Manifest } from '../kit/manifest.ts';
import { assemble, PolicyError } from './checkpolicy.ts';
import { compilePolicy } from './compile.ts';
import { type Allowed, allowedBy, describeAllowed, readCompiledPolicy } from './compiled-policy.ts';
import { policyDocument } from './document.ts';
import { generatePolicy } from './generate.ts';
import { manifests } from './manifests.ts';
import { neverRules, violations } from './never.ts';
import { xenClassFiles } from './testing/xen-classes.ts';

const text = generatePolicy(manifests, xenClassFiles);
const scratch = mkdtempSync(join(tmpdir(), 'ennead-policy-test-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const compiled = (source: string): Allowed[] => readCompiledPolicy(assemble(source));

const changed = (name: string, changes: Partial<Manifest>): Manifest[] =>
  manifests.map((manifest) => (manifest.name === name ? { ...manifest, ...changes } : manifest));

let policy: Allowed[];
let allows: Set<string>;
beforeAll(() => {
  policy = compiled(text);
  allows = new Set(policy.map(describeAllowed));
});

describe('the compiled policy', () => {
  it('holds every rule of the text and no other', () => {
    const written = allowedBy(
      text
        .split('\n')
        .filter((line) => line.startsWith('allow '))
        .join('\n'),
    );
    expect(new Set(written.map(describeAllowed))).toEqual(allows);
  });

  it('knows every label that a creator may use', () => {
    for (const type of Object.values(domainTypes)) {
      expect(contextOf(type)).toBe(`system_u:system_r:${type}`);
      expect(text).toMatch(new RegExp(`^role system_r types \\{.* ${type} .*\\};$`, 'm'));
    }
  });

  it('lets both ends of a channel open it, and a third party neither', () => {
    expect(allows).toContain('allow guest_channel_t netback_t:event bind');
    expect(allows).toContain('allow netback_channel_t guest_t:event bind');
    expect(allows).not.toContain('allow blkback_channel_t netback_t:event bind');
  });

  it('lets XenStore-Logic bind the channel of the retired PCIBack again, who has no part in that', () => {
    expect(allows).toContain('allow xenstore_logic_channel_t pciback_retired_t:event bind');
    expect([...allows].filter((right) => / pciback_retired(_channel)?_t:event/.test(right))).toHaveLength(1);
  });

  it('gives a right over oneself on a type of its own', () => {
    expect(allows).toContain('allow guest_t guest_self_t:mmu map_write');
    expect(allows).not.toContain('allow guest_t guest_t:mmu map_write');
    expect(text).toContain('type_transition guest_t guest_t:domain guest_self_t;');
  });

  it('gives a Qemu VM rights over the guest that is its target, and over no other', () => {
    expect(text).toContain('type_transition guest_t qemu_t:domain guest_target_t;');
    expect(text).toMatch(/^role system_r types \{.* guest_target_t .*\};$/m);
    expect(allows).toContain('allow qemu_t guest_target_t:hvm dm');
    const onGuests = policy.filter(({ source, target }) => source === 'qemu_t' && target === 'guest_t');
    expect(onGuests.map(describeAllowed)).toEqual(['allow qemu_t guest_t:domain set_target']);
  });

  it('lets Xen open the channels on which a Qemu VM hears of I/O: in its own guest, and bound for it', () => {
    expect(text).toMatch(/^type_transition qemu_t \{.* guest_target_t \}:event qemu_channel_t;$/m);
    expect(allows).toContain('allow qemu_t guest_channel_t:event create');
    expect(allows).toContain('allow qemu_t guest_target_t:event create');
    expect(allows).toContain('allow guest_channel_t qemu_t:event bind');
    expect(allows).toContain('allow qemu_channel_t guest_target_t:event bind');
    expect(allows).not.toContain('allow qemu_t guest_t:event create');
  });

  it('opens no channel in another domain without a right over that domain', () => {
    expect(allows).toContain('allow builder_t guest_channel_t:event create');
    expect(allows).toContain('allow builder_t guest_t:event create');
    expect(allows).not.toContain('allow guest_t guest_t:event create');
  });

  it('lets packets be copied both ways, because Xen checks from source to destination', () => {
    expect(allows).toContain('allow netback_t guest_t:grant copy');
    expect(allows).toContain('allow guest_t netback_t:grant copy');
    expect(allows).not.toContain('allow blkback_t guest_t:grant copy');
  });

  it('states the reason of the manifest above every rule', () => {
    for (const manifest of manifests)
      for (const { why } of manifest.hypercalls) expect(text).toContain(`# ${manifest.name}: ${why}\nallow `);
  });
});

describe('generatePolicy()', () => {
  it('refuses permissions and classes that do not exist', () => {
    const may = (rights: Record<string, string>) =>
      changed('netback', { hypercalls: [{ on: 'xen', may: rights, why: 'tries something' }] });
    expect(() => generatePolicy(may({ xen: 'fly' }), xenClassFiles)).toThrow(
      /netback: class xen has no permission fly/,
    );
    expect(() => generatePolicy(may({ zen: 'debug' }), xenClassFiles)).toThrow(
      /netback: the hypervisor has no class zen/,
    );
  });

  it('refuses manifests that give cause for complaint', () => {
    expect(() => generatePolicy(changed('builder', { job: '' }), xenClassFiles)).toThrow(/builder: "" is no reason/);
  });

  it('refuses a hypervisor with an initial SID for which it has no type', () => {
    const newer = { ...xenClassFiles, initialSids: `${xenClassFiles.initialSids}sid vtpm\n` };
    expect(() => generatePolicy(manifests, newer)).toThrow(/initial SID vtpm/);
  });
});

describe('never rules', () => {
  it('hold', () => {
    expect(violations(policy)).toEqual([]);
  });

  it.each(neverRules.map((rule) => [rule.claim, rule.breach]))('%s: broken by %s', (claim, breach) => {
    const widened = violations(compiled(text.replace('\nrole system_r;', `\n${breach}\nrole system_r;`)));
    expect(widened.map((violation) => violation.claim)).toContain(claim);
    const [, source, target, className, permission] = /^allow (\w+) (\w+):(\w+) (\w+);$/.exec(breach)!;
    for (const { allowed } of widened) expect(allowed).toEqual({ source, target, class: className, permission });
  });

  it.each([
    ['a permissive type', 'permissive guest_t;'],
    [
      'an attribute',
      'attribute everyone; typeattribute guest_t everyone; allow everyone security_t:security setenforce;',
    ],
    ['a boolean', 'bool open true; if (open) { allow guest_t security_t:security setenforce; }'],
  ])('cannot be got around by %s', (_, statements) => {
    expect(() => compiled(text.replace('\nrole system_r;', `\n${statements}\nrole system_r;`))).toThrow(
      /statement that never rules cannot judge/,
    );
  });
});

describe('compilePolicy()', () => {
  it('writes the same bytes each time', () => {
    const [first, second] = ['first', 'second'].map((name) => join(scratch, name));
    compilePolicy(text, first!);
    compilePolicy(text, second!);
    expect(readFileSync(first!).equals(readFileSync(second!))).toBe(true);
  });

  it('writes nothing when a manifest asks for what may never be', () => {
    const greedy = changed('netback', {
      hypercalls: [{ on: 'guest', may: { mmu: 'map_read' }, why: 'looks at packets without a grant' }],
    });
    const file = join(scratch, 'greedy');
    expect(() => compilePolicy(generatePolicy(greedy, xenClassFiles), file)).toThrow(
      /never: only Bootstrapper and Builder reach into the memory of another domain, .*but allow netback_t guest_t:mmu map_read/,
    );
    expect(existsSync(file)).toBe(false);
  });

  it('says what checkpolicy found wrong', () => {
    expect(() => compilePolicy('class xen class', join(scratch, 'bad'))).toThrow(PolicyError);
  });
});

describe('docs/policy.md', () => {
  it('is what the manifests say', () => {
    expect(readFileSync(new URL('../../docs/policy.md', import.meta.url), 'utf8')).toBe(policyDocument(manifests));
  });
});
