/** What the types of src/kit/manifest.ts cannot say about a set of manifests. Each complaint is one line for the person who wrote it. */
import type { Manifest } from '../kit/manifest.ts';
import { domainsOf } from './domains.ts';

/** All service VMs that stay after boot, together. Those that come and go with a guest are counted with it. */
export const SERVICE_MEMORY_MIB_MAX = 384;

export function complaints(manifests: readonly Manifest[]): string[] {
  return [
    ...repeated(manifests, ({ name }) => name),
    ...repeated(manifests, ({ number }) => String(number)),
    ...manifests.flatMap((manifest) => missingReasons(manifest)),
    ...unansweredChannels(manifests),
    ...overBudget(manifests),
  ];
}

function repeated(manifests: readonly Manifest[], key: (manifest: Manifest) => string): string[] {
  const seen = manifests.map(key);
  return seen.filter((value, at) => seen.indexOf(value) !== at).map((value) => `two manifests are called ${value}`);
}

export const entriesOf = (manifest: Manifest) => [
  ...manifest.cmdline,
  ...manifest.files,
  ...manifest.hypercalls,
  ...manifest.grants,
  ...manifest.channels,
  ...manifest.xenstore,
  ...manifest.devices,
];

const isReason = (text: string) => /^\S.{5,}\S$/.test(text);

function missingReasons(manifest: Manifest): string[] {
  const texts = [manifest.job, manifest.reset.when, ...entriesOf(manifest).map(({ why }) => why)];
  return texts
    .filter((text) => !isReason(text))
    .map((text) => `${manifest.name}: ${JSON.stringify(text)} is no reason`);
}

function unansweredChannels(manifests: readonly Manifest[]): string[] {
  const domains = domainsOf(manifests);
  return domains.flatMap(({ name, channels }) =>
    channels.flatMap(({ peer }) => {
      if (peer === 'anyone' || peer === 'self' || peer === 'own-guest') return [];
      const there = domains.find((domain) => domain.name === peer);
      const answered = there?.channels.some((entry) => entry.peer === name || entry.peer === 'anyone');
      return answered ? [] : [`${name}: wants a channel with ${peer}, which does not name ${name}`];
    }),
  );
}

function overBudget(manifests: readonly Manifest[]): string[] {
  const passing = ['boot only', 'as its guest'];
  const staying = manifests.filter(({ lifetime }) => !passing.includes(lifetime));
  const sumMib = staying.reduce((sum, { memoryMib }) => sum + memoryMib, 0);
  return sumMib > SERVICE_MEMORY_MIB_MAX
    ? [`all services together take ${sumMib} MiB of ${SERVICE_MEMORY_MIB_MAX}`]
    : [];
}
