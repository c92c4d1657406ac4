/** Everything the command touches outside itself; tests give it other ones. */
import type { HostState } from '../host/host.ts';
import type { OpenSession } from './session.ts';

export interface Terminal {
  /** Keys as they come, no echo. Does nothing where there is no terminal. */
  raw(on: boolean): void;
  onInput(handler: (bytes: Uint8Array) => void, ended: () => void): void;
  stop(): void;
}

export interface HostActions {
  start(options: StartChoices, say: (line: string) => void): Promise<HostState>;
  stop(openSession: OpenSession): Promise<'clean' | 'forced'>;
  status(): HostState;
  logPath(): string;
}

export interface StartChoices {
  readonly memoryMib?: number;
  readonly cpus?: number;
}

export interface CliEnvironment {
  readonly openSession: OpenSession;
  readonly host: HostActions;
  readonly terminal: Terminal;
  /** Progress is drawn only where somebody looks. */
  readonly errorIsTerminal: boolean;
  out(text: string | Uint8Array): void;
  error(text: string): void;
}
