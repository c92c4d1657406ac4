/** Waits until a guest asks for a login on its console. */
import { CliError } from '../exit-codes.ts';
import { type ToolstackAccess, withToolstack } from '../toolstack-client.ts';

const PROMPT = /login: $/;
/** The prompt is short; what went before only explains a failure. */
const TEXT_MAX = 4096;

export async function waitForLogin(access: ToolstackAccess, guest: string, timeoutMs: number): Promise<void> {
  let text = '';
  let found: () => void = () => {};
  let failed: (error: CliError) => void = () => {};
  const prompt = new Promise<void>((resolve, reject) => {
    found = resolve;
    failed = reject;
  });
  // It may fail before anyone waits for it.
  prompt.catch(() => {});
  const ends = (code: 'guest-not-booting' | 'guest-timeout' | 'host-unreachable', what: string) =>
    failed(new CliError(code, `guest ${guest} ${what} before its login prompt; its last words: ${lastLine(text)}`));
  const timer = setTimeout(() => ends('guest-timeout', `took more than ${timeoutMs / 1000} s`), timeoutMs);
  const events = {
    output(data: string) {
      text = (text + data).slice(-TEXT_MAX);
      if (PROMPT.test(text)) found();
    },
    ended: (reason: string) => ends('guest-not-booting', `ended (${reason})`),
  };
  try {
    await withToolstack(
      access,
      async (toolstack) => {
        toolstack.onClosed((why) => ends('host-unreachable', `was lost sight of (${why})`));
        await toolstack.call('console.attach', { guest });
        await prompt;
      },
      events,
    );
  } finally {
    clearTimeout(timer);
  }
}

/** Without a terminal's control sequences. */
export function lastLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is taken away
  const plain = text.replaceAll(/\x1b\[[0-9;?]*[A-Za-z]|[^\x20-\x7e\n]/g, '');
  return plain.trim().split('\n').at(-1)?.trim() || '(nothing)';
}
