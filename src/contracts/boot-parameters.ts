/**
 * What a service VM is told on its kernel command line, as `ennead.<key>=<value>` words.
 * The command line is written by Bootstrapper or Builder alone, so it is as trusted as they are.
 */
export type BootParameters = Readonly<Record<string, string>>;

const PREFIX = 'ennead.';

export function encodeBootParameters(parameters: BootParameters): string {
  return Object.entries(parameters)
    .map(([key, value]) => {
      if (!/^[a-z][a-z0-9-]*$/.test(key)) throw new RangeError(`boot parameter name ${JSON.stringify(key)}`);
      if (!/^[\x21-\x7e]*$/.test(value)) throw new RangeError(`boot parameter ${key}: blank or non-ASCII value`);
      return `${PREFIX}${key}=${value}`;
    })
    .join(' ');
}

/** Words of other owners (`console=hvc0`) are skipped; of a repeated key the last one counts. */
export function decodeBootParameters(commandLine: string): BootParameters {
  const found: Record<string, string> = {};
  for (const word of commandLine.split(/\s+/)) {
    const equals = word.indexOf('=');
    if (word.startsWith(PREFIX) && equals > 0) found[word.slice(PREFIX.length, equals)] = word.slice(equals + 1);
  }
  return found;
}

/** A number that a parameter must hold. */
export function numberParameter(parameters: BootParameters, key: string): number {
  const value = parameters[key];
  if (value === undefined || !/^\d{1,10}$/.test(value))
    throw new RangeError(`boot parameter ${key}: ${value ?? 'missing'}`);
  return Number(value);
}
