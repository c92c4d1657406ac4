/** Guest files and `key=value` arguments as assignments. The parser is made from xl-config.peggy: see generate.ts. */
import type { Assignment } from './syntax.ts';
import { SyntaxError as ParserError, parse } from './xl-config.generated.js';

/** A file or an argument that is wrong; the message names the place. */
export class ConfigError extends Error {
  constructor(
    readonly source: string,
    readonly line: number | null,
    readonly column: number | null,
    readonly what: string,
  ) {
    super(`${[source, line, column].filter((part) => part !== null).join(':')}: ${what}`);
    this.name = 'ConfigError';
  }
}

/** An assignment and where it comes from: a file's name, or `argument`. */
export interface SourcedAssignment extends Assignment {
  readonly source: string;
}

export function parseFile(text: string, source: string): SourcedAssignment[] {
  return guarded(source, () => parse(text)).map((assignment) => ({ ...assignment, source }));
}

/** `memory=256`; a value that is no number and no list may stand without quotes. */
export function parseArgument(argument: string): SourcedAssignment {
  const [, name, operator, value] = /^\s*([a-z][._0-9a-z]*)\s*(\+?=)(.*)$/s.exec(argument) ?? [];
  const source = `argument ${JSON.stringify(argument)}`;
  if (name === undefined || value === undefined) throw new ConfigError(source, null, null, 'not of the form key=value');
  const options = { startRule: 'Argument' } as const;
  const parsed = guarded(source, () => parse<typeof options>(value, options), false);
  return { name, operator: operator as '=' | '+=', value: parsed, line: 1, column: 1, source };
}

/** `placed`: the place within the text helps whoever reads the message. */
function guarded<T>(source: string, run: () => T, placed = true): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof ParserError)) throw error;
    const { line, column } = error.location.start;
    throw new ConfigError(source, placed ? line : null, placed ? column : null, readable(error));
  }
}

/** Where a value is missing, all beginnings of one. */
const VALUE_BEGINNINGS = ['"\'"', '"\\""', '"["', 'a number'];

/** What may always stand there (blanks, comments) and what is inside a string are not worth a word. */
function readable(error: ParserError): string {
  const [, expected = '', found = ''] = /^Expected (.*) but (.*) found\.$/s.exec(error.message) ?? [];
  const things = expected.split(/, or |, | or /).filter((thing) => !/^(blank|\[.*|an escape|"\\n"|"#")$/.test(thing));
  const isValue = VALUE_BEGINNINGS.every((beginning) => things.includes(beginning));
  const wanted = isValue
    ? ['a value ("…", a number or […])', ...things.filter((thing) => !VALUE_BEGINNINGS.includes(thing))]
    : things;
  return `expected ${wanted.join(' or ')}, found ${found === '"\\n"' ? 'the end of the line' : found.replace('end of input', 'the end')}`;
}
