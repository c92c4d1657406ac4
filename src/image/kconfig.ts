/** Kconfig fragments: `CONFIG_NAME=value` lines, later ones override earlier ones. */

export function parseFragment(text: string): ReadonlyMap<string, string> {
  const options = new Map<string, string>();
  for (const [, name, value] of text.matchAll(/^(CONFIG_\w+)=(.*)$/gm)) options.set(name!, value!);
  return options;
}

export function formatFragment(options: ReadonlyMap<string, string>): string {
  return [...options].map(([name, value]) => `${name}=${value}\n`).join('');
}

/** Kconfig drops a line whose dependencies are not met without a word; these are the ones it dropped. */
export function unmetOptions(wanted: string, result: string): string[] {
  const got = parseFragment(result);
  // An option that is off is absent from the result.
  return [...parseFragment(wanted)]
    .filter(([name, value]) => (got.get(name) ?? 'n') !== value)
    .map(([name, value]) => `${name}=${value}`);
}
