/**
 * The machine's apt sources, in both of apt's formats, and the private sources derived from them.
 * Mirrors and signing keys are the machine's own; only types and suite names change. @source sources.list(5)
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface AptSource {
  readonly types: readonly string[];
  readonly uris: readonly string[];
  readonly suites: readonly string[];
  readonly components: readonly string[];
  /** Everything else, under its deb822 name: Signed-By, Trusted, … Values may have several lines (an embedded key). */
  readonly options: Readonly<Record<string, string>>;
}

const words = (text: string | undefined): string[] => (text ?? '').split(/\s+/).filter(Boolean);

/** The format of *.sources files. */
export function parseDeb822(text: string): AptSource[] {
  const withoutComments = text.replace(/^#.*\n?/gm, '');
  return withoutComments
    .split(/\n\s*\n/)
    .map(parseStanza)
    .filter((fields) => fields.size > 0 && !/^(no|false|off|0)$/i.test(fields.get('enabled')?.value.trim() ?? ''))
    .map((fields) => {
      const take = (name: string): string[] => words(fields.get(name)?.value);
      const listed = new Set(['types', 'uris', 'suites', 'components', 'enabled']);
      const rest = [...fields].filter(([key]) => !listed.has(key)).map(([, field]) => [field.name, field.value]);
      return {
        types: take('types'),
        uris: take('uris'),
        suites: take('suites'),
        components: take('components'),
        options: Object.fromEntries(rest),
      };
    });
}

/** Fields by lower-case name; a continuation line starts with a blank and stays as it is. */
function parseStanza(stanza: string): Map<string, { name: string; value: string }> {
  const fields = new Map<string, { name: string; value: string }>();
  for (const [, name, value] of stanza.matchAll(/^([A-Za-z][A-Za-z0-9-]*):[ \t]*(.*(?:\n[ \t].*)*)/gm)) {
    fields.set(name!.toLowerCase(), { name: name!, value: value! });
  }
  return fields;
}

/** One-line options whose deb822 name is not theirs with capitals. */
const OPTION_NAMES: Readonly<Record<string, string>> = { arch: 'Architectures', lang: 'Languages', target: 'Targets' };

/** The format of *.list files: `deb [option=value …] uri suite component…`. */
export function parseOneLine(text: string): AptSource[] {
  const sources: AptSource[] = [];
  for (const line of text.split('\n')) {
    const entry = /^\s*(deb|deb-src)\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)([^#]*)/.exec(line);
    if (!entry) continue;
    const [, type, options, uri, suite, components] = entry;
    sources.push({
      types: [type!],
      uris: [uri!],
      suites: [suite!],
      components: words(components),
      options: Object.fromEntries(words(options).map(deb822Option)),
    });
  }
  return sources;
}

function deb822Option(option: string): [string, string] {
  const [name = '', value = ''] = option.split(/=(.*)/s);
  const capitals = name.replace(/(^|-)([a-z])/g, (match) => match.toUpperCase());
  return [OPTION_NAMES[name] ?? capitals, value.replaceAll(',', ' ')];
}

/** Those of the machine, read from apt's own folder. */
export async function readAptSources(etcApt = '/etc/apt'): Promise<AptSource[]> {
  const parts = join(etcApt, 'sources.list.d');
  const names = await readdir(parts).catch(() => []);
  const files = [join(etcApt, 'sources.list'), ...names.sort().map((name) => join(parts, name))];
  const sources: AptSource[] = [];
  for (const file of files) {
    if (!/\.(list|sources)$/.test(file)) continue;
    const text = await readFile(file, 'utf8').catch(() => '');
    sources.push(...(file.endsWith('.sources') ? parseDeb822(text) : parseOneLine(text)));
  }
  return sources;
}

/** Debian's own archives for a release: the release, its updates and its security updates. Other vendors' lists stay out. */
export function releaseSources(sources: readonly AptSource[], codename: string): AptSource[] {
  const suites = new Set([codename, `${codename}-updates`, `${codename}-security`, `${codename}/updates`]);
  return sources
    .map((source) => ({ ...source, suites: source.suites.filter((suite) => suites.has(suite)) }))
    .filter((source) => source.suites.length > 0 && source.components.includes('main'));
}

export interface DerivedRelease {
  readonly types: readonly ('deb' | 'deb-src')[];
  /** Another release from the same archive; updates and security suites are then left out. */
  readonly otherRelease?: string;
}

/** The same archives as a private deb822 file, for other types or another release. */
export function derivePrivateSources(
  sources: readonly AptSource[],
  codename: string,
  wanted: readonly DerivedRelease[],
): string {
  const own = releaseSources(sources, codename);
  const stanzas = wanted.flatMap(({ types, otherRelease }) =>
    own.flatMap((source) => {
      const suites =
        otherRelease === undefined ? source.suites : source.suites.includes(codename) ? [otherRelease] : [];
      return suites.length === 0 ? [] : [formatStanza({ ...source, types, suites, components: ['main'] })];
    }),
  );
  // A machine that lists deb and deb-src apart would give every stanza twice.
  return [...new Set(stanzas)].join('\n');
}

function formatStanza(source: AptSource): string {
  const fields = {
    Types: source.types.join(' '),
    URIs: source.uris.join(' '),
    Suites: source.suites.join(' '),
    Components: source.components.join(' '),
    ...source.options,
  };
  return Object.entries(fields)
    .map(([name, value]) => `${name}: ${value}\n`)
    .join('');
}
