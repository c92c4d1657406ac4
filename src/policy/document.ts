/** docs/policy.md, made from the manifests: who may do what, and why. */
import type { Manifest, Permissions } from '../kit/manifest.ts';
import { baseline, guestBaseline, serviceBaseline } from './baseline.ts';
import { SERVICE_MEMORY_MIB_MAX } from './check-manifests.ts';
import { domainsOf, typeOf } from './domains.ts';
import { neverRules } from './never.ts';
import { silenced } from './silenced.ts';

const cell = (text: string) => text.replaceAll('|', '\\|');
const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((row) => `| ${row.map(cell).join(' | ')} |`).join('\n');
/** Nothing at all rather than an empty table. */
const section = (title: string, head: readonly string[], rows: readonly (readonly string[])[]): string[] =>
  rows.length === 0 ? [] : [`**${title}**`, table(head, rows)];

const code = (text: string) => `\`${text}\``;
const permissionsText = (may: Permissions) =>
  Object.entries(may)
    .map(([className, permissions]) => code(`${className}: ${permissions}`))
    .join('; ');
const list = (entries: string | readonly string[]) => [entries].flat().join(', ');

const introduction = `# Who may do what

<!-- Made from src/services/*/manifest.ts by \`npm run policy:docs\`. Change the manifests, not this file. -->

Xen checks every hypercall against a FLASK policy that is made from the manifests of the service VMs. What stands in no table
below, Xen refuses. The policy has no MLS levels: guests share one type, and a right over oneself is a right over a type of its own
(\`guest_self_t\`), so that no guest has a right over another. In the same way a Qemu VM has rights over \`own-guest\` (\`guest_target_t\`):
that is what Xen takes the one guest for that Builder made its target, when this VM acts on it. Over other guests it has none
([decision 20](decisions/0020-labels-by-target.md)).

A channel exists only if both ends name each other. A grant right lets a VM map pages that their owner has granted to it, page by page;
it is no right over the owner's memory.`;

function overview(manifests: readonly Manifest[]): string {
  const rows = manifests.map(({ number, name, job, kernel, memoryMib, lifetime, reset }) => [
    String(number),
    name,
    job,
    code(typeOf(name)),
    kernel,
    String(memoryMib),
    lifetime,
    `${reset.depth}: ${reset.when}`,
  ]);
  return [
    '## The nine',
    table(['no.', 'VM', 'job', 'label', 'kernel', 'MiB', 'lifetime', 'reset'], rows),
    `The services that stay after boot take at most ${SERVICE_MEMORY_MIB_MAX} MiB together. A Qemu VM is counted with its guest.`,
  ].join('\n\n');
}

function everyone(): string {
  const rows = (entries: readonly { on: string; may: Permissions; why: string }[], who: string) =>
    entries.map(({ on, may, why }) => [who, on, permissionsText(may), why]);
  return [
    '## Every VM',
    table(
      ['who', 'on', 'may', 'why'],
      [...rows(baseline, 'every VM'), ...rows(serviceBaseline, 'service VMs'), ...rows(guestBaseline, 'guests')],
    ),
  ].join('\n\n');
}

function service(manifest: Manifest): string {
  const { name, number, job } = manifest;
  return [
    `## ${number}. ${name}`,
    `${job}.`,
    ...section(
      'Hypercalls',
      ['on', 'may', 'why'],
      manifest.hypercalls.map(({ on, may, why }) => [list(on), permissionsText(may), why]),
    ),
    ...section(
      'Granted pages',
      ['of', 'use', 'why'],
      manifest.grants.map(({ from, use, why }) => [from, use, why]),
    ),
    ...section(
      'Event channels',
      ['with', 'why'],
      manifest.channels.map(({ peer, why }) => [peer, why]),
    ),
    ...section(
      'XenStore',
      ['path', 'access', 'why'],
      manifest.xenstore.map(({ path, access, why }) => [code(path), access, why]),
    ),
    ...section("More than XenStore's permissions say", ['right', 'where', 'why'], privilegeRows(manifest)),
    ...section(
      'Devices',
      ['class', 'why'],
      manifest.devices.map((device) => [device.class, device.why]),
    ),
    ...section(
      'Kernel options',
      ['option', 'why'],
      manifest.cmdline.map(({ option, why }) => [code(option), why]),
    ),
    ...section(
      'Programs',
      ['path', 'Debian package', 'why'],
      manifest.files.map((file) => [code(file.path), file.package, file.why]),
    ),
  ].join('\n\n');
}

function privilegeRows({ storePrivilege }: Manifest): string[][] {
  if (!storePrivilege) return [];
  const { owns, except, reads, control, counts, limits, why } = storePrivilege;
  const places = (paths: readonly string[]): string => paths.map(code).join(', ');
  return [
    ['acts as the owner', `${places(owns)}${except.length > 0 ? ` but for ${places(except)}` : ''}`, why],
    ...(reads.length > 0 ? [['reads', places(reads), why]] : []),
    ...(control ? [['introduces and releases domains', '', why]] : []),
    ...(counts ? [['asks what domains use', '', why]] : []),
    ...(limits ? [['sets what guests may use', '', why]] : []),
  ];
}

function guest(manifests: readonly Manifest[]): string {
  const { channels } = domainsOf(manifests).find(({ name }) => name === 'guest')!;
  return [
    '## Guests',
    table(
      ['event channel with', 'why'],
      channels.map(({ peer, why }) => [peer, why]),
    ),
  ].join('\n\n');
}

function refusals(): string {
  return [
    '## Never',
    'Checked on the compiled policy before it goes into an image, whatever the manifests say:',
    neverRules.map(({ claim }) => `- ${claim}`).join('\n'),
    '## Refused without a word',
    'These are normal. Xen refuses them like everything else and does not report them.',
    table(
      ['who', 'on', 'what', 'why'],
      silenced.map(({ who, on, class: className, permissions, why }) => [
        list(who),
        on,
        code(`${className}: ${permissions}`),
        why,
      ]),
    ),
  ].join('\n\n');
}

export const policyDocument = (manifests: readonly Manifest[]): string =>
  [introduction, overview(manifests), everyone(), ...manifests.map(service), guest(manifests), refusals()]
    .join('\n\n')
    .concat('\n');
