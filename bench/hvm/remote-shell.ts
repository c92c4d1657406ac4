/** A shell over SSH that stays: an operator who has logged in already. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { HostDirectory } from '../../src/host/host-directory.ts';

const COMMAND_MS = 300_000;
const DONE = /^done (\d+)$/m;

/** Nobody else has a key of this machine, which was made a minute ago and listens on loopback only. */
export const sshCommand = (directory: HostDirectory, port: number): readonly string[] => [
  ...['ssh', '-F', 'none', '-T', '-i', directory.identity, '-p', String(port)],
  ...[
    'BatchMode=yes',
    'IdentitiesOnly=yes',
    'StrictHostKeyChecking=no',
    'UserKnownHostsFile=/dev/null',
    'LogLevel=ERROR',
  ].flatMap((option) => ['-o', option]),
  'root@127.0.0.1',
];

export class RemoteShell {
  private said = '';

  private constructor(private readonly child: ChildProcessWithoutNullStreams) {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.said += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.said += text;
    });
    child.stdin.on('error', () => {});
  }

  static async open([program, ...words]: readonly string[]): Promise<RemoteShell> {
    const shell = new RemoteShell(spawn(program!, [...words, 'PATH=/usr/sbin:/usr/bin:/sbin:/bin exec sh']));
    try {
      await shell.run(':');
      return shell;
    } catch (error) {
      await shell.close();
      throw error;
    }
  }

  /** What the command said. @throws when it fails. One at a time. */
  async run(command: string): Promise<string> {
    this.said = '';
    this.child.stdin.write(`${command}\necho "done $?"\n`);
    const signal = AbortSignal.timeout(COMMAND_MS);
    for (;;) {
      const [all, status] = DONE.exec(this.said) ?? [];
      const text = this.said.slice(0, all === undefined ? undefined : this.said.indexOf(all));
      if (status === '0') return text;
      if (status !== undefined) throw new Error(`${command} ended with ${status}: ${text}`);
      if (this.child.exitCode !== null) throw new Error(`ssh ended with ${this.child.exitCode}: ${text}`);
      await Promise.race([once(this.child.stdout, 'data', { signal }), once(this.child, 'close', { signal })]);
    }
  }

  async close(): Promise<void> {
    if (this.child.exitCode !== null) return;
    const closed = once(this.child, 'close');
    this.child.stdin.end();
    await closed;
  }
}
