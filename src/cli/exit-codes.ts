/** Every failure that the command can end with: a stable word for programs, a stable exit code for shells. docs/cli.md has the table. */
import type { ToolstackError } from '../contracts/toolstack.ts';

export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;

/** Words of our own, of Toolstack, of Builder behind it, and of the JSON-RPC peer. */
export const exitCodes = {
  failed: EXIT_FAILED,
  internal: EXIT_FAILED,
  usage: EXIT_USAGE,
  'host-stopped': 3,
  'host-unreachable': 4,
  closed: 4,
  timeout: 4,
  'unknown-guest': 5,
  'unknown-vm': 5,
  'guest-exists': 6,
  'volume-exists': 6,
  'bad-config': 7,
  'invalid-params': 7,
  'too-large': 7,
  'volume-missing': 8,
  busy: 9,
  'volume-busy': 9,
  'guest-state': 9,
  'volume-full': 10,
  'no-memory': 11,
  'no-domid': 11,
  'guest-not-booting': 12,
  'guest-timeout': 13,
  refused: 14,
  'not-allowed': 14,
  'not-yours': 14,
  'xen-refused': 14,
  'shutting-down': 14,
  'transfer-incomplete': 15,
  'volume-failed': 16,
  'no-driver': 16,
  'unknown-image': 17,
  'host-failed': 18,
  'image-failed': 19,
  'no-file': 20,
  'host-forced': 21,
  'image-differs': 22,
  'no-node': 23,
  'device-model-failed': 24,
  'no-hvm': 25,
  // As shells report a program that Ctrl+C ended.
  interrupted: 130,
} as const satisfies Record<ToolstackError, number> & Record<string, number>;

export type FailureWord = keyof typeof exitCodes;

/** A failure that the operator is told of in one line. */
export class CliError extends Error {
  constructor(
    readonly code: FailureWord,
    message: string,
  ) {
    super(message);
    this.name = 'CliError';
  }
}

/** Words that a newer Toolstack may have are failures without a code of their own. */
export const exitCodeOf = (word: string): number =>
  Object.hasOwn(exitCodes, word) ? exitCodes[word as FailureWord] : EXIT_FAILED;
