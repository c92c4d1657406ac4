/** What the commands have in common: text for people, or JSON for programs. */
import { Option } from 'commander';
import type { CliEnvironment } from '../environment.ts';

export interface Output {
  readonly json?: true;
}

export const json = (): Option => new Option('--json', 'print JSON');

export function print(environment: CliEnvironment, { json }: Output, value: unknown, text: () => string): void {
  environment.out(json ? `${JSON.stringify(value, null, 2)}\n` : text());
}

export const examples = (...lines: readonly string[]): string =>
  `\nExamples:\n${lines.map((line) => `  ${line}\n`).join('')}`;
