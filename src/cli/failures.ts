/** Errors of the host and of the image builder, as what the operator is told. */
import { HostError } from '../host/host-error.ts';
import { InterruptedError } from '../image/interruption.ts';
import { CliError, type FailureWord } from './exit-codes.ts';

const HOST_WORDS: Readonly<Record<HostError['code'], FailureWord>> = {
  'already-running': 'host-failed',
  'set-up-failed': 'host-failed',
  'boot-failed': 'host-failed',
  'not-running': 'host-stopped',
  'stop-forced': 'host-forced',
};

export const hostStopped = (): CliError =>
  new CliError('host-stopped', 'the virtual host is not running; start it with: ennead host start');

export function failingAsHost<T>(task: Promise<T>): Promise<T> {
  return task.catch((cause: unknown) => {
    if (cause instanceof InterruptedError) throw new CliError('interrupted', 'interrupted; the host is switched off');
    if (!(cause instanceof HostError)) throw cause;
    throw cause.code === 'not-running' ? hostStopped() : new CliError(HOST_WORDS[cause.code], cause.message);
  });
}

export function failingAsImage<T>(task: Promise<T>): Promise<T> {
  return task.catch((cause: unknown) => {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new CliError(cause instanceof InterruptedError ? 'interrupted' : 'image-failed', message);
  });
}
