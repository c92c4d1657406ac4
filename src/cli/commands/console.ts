/** A guest's console on this terminal. */
import type { Command } from 'commander';
import { bytesToText, textToBytes } from '../../contracts/toolstack.ts';
import type { CliEnvironment } from '../environment.ts';
import { type ToolstackClient, withToolstack } from '../toolstack-client.ts';
import { reference } from './guest-reference.ts';
import { examples } from './output.ts';

/** Ctrl+], as telnet and xl have it. */
const LEAVE = 0x1d;
/** A paste must fit into one message. */
const INPUT_BYTES_MAX = 4096;

export function addConsoleCommand(program: Command, environment: CliEnvironment): void {
  program
    .command('console')
    .description("attach to a guest's console; Ctrl+] leaves it")
    .argument('<guest>', 'its name or domid')
    .addHelpText('after', examples('ennead console web', 'ennead console web </dev/null   # what it has said so far'))
    .action((guest: string) => attachConsole(environment, guest));
}

/** Resolves when the operator leaves or the guest is gone. */
export async function attachConsole(environment: CliEnvironment, guest: string): Promise<void> {
  const { terminal } = environment;
  let ended: (reason: string) => void = () => {};
  const left = new Promise<string>((resolve) => {
    ended = resolve;
  });
  const events = {
    output: (data: string) => environment.out(textToBytes(data)),
    ended: (reason: string) => ended(reason),
  };
  try {
    await withToolstack(
      environment,
      async (toolstack) => {
        toolstack.onClosed((why) => ended(`the connection is lost: ${why}`));
        const { name, domid } = await toolstack.call('console.attach', { guest: reference(guest) });
        terminal.raw(true);
        environment.error(`console of ${name} (domain ${domid}); Ctrl+] leaves it\r\n`);
        terminal.onInput(
          (bytes) => carryInput(toolstack, bytes, ended),
          () => ended('end of input'),
        );
        environment.error(`\r\n${await left}\r\n`);
      },
      events,
    );
  } finally {
    terminal.raw(false);
    terminal.stop();
  }
}

function carryInput(toolstack: ToolstackClient, bytes: Uint8Array, leave: (reason: string) => void): void {
  const end = bytes.indexOf(LEAVE);
  const typed = end < 0 ? bytes : bytes.subarray(0, end);
  for (let at = 0; at < typed.length; at += INPUT_BYTES_MAX)
    toolstack.notify('console.input', { data: bytesToText(typed.subarray(at, at + INPUT_BYTES_MAX)) });
  if (end >= 0) leave('console left');
}
