/** Everything the command touches outside itself; tests give it other ones. */
import type { HostImages } from '../host/host.ts';
import type { HostState } from '../host/host-state.ts';
import type { ImageSet } from '../image/build.ts';
import type { OpenSession } from './session.ts';
import type { ToolstackAccess } from './toolstack-client.ts';

export interface Terminal {
  /** Keys as they come, no echo. Does nothing where there is no terminal. */
  raw(on: boolean): void;
  onInput(handler: (bytes: Uint8Array) => void, ended: () => void): void;
  stop(): void;
}

/** What of the images a command has to do with. */
export type BuiltImages = Pick<
  ImageSet,
  'xen' | 'kernels' | 'bootstrapperInitrd' | 'policy' | 'hostDisk' | 'exampleDisk' | 'guestDisk'
>;

export interface HostActions {
  /** Builds what is missing. */
  build(): Promise<BuiltImages>;
  /** `say` hears what the services log while the host boots. */
  start(images: HostImages, choices: StartChoices, say: (serialLine: string) => void): Promise<HostState>;
  /** Rejects with `host-forced` when the host did not go by itself. */
  stop(access: ToolstackAccess): Promise<void>;
  status(): HostState;
  logPath(): string;
}

export interface StartChoices {
  readonly memoryMib?: number;
  readonly cpus?: number;
  readonly iommu?: boolean;
}

export interface CliEnvironment {
  readonly openSession: OpenSession;
  readonly host: HostActions;
  readonly terminal: Terminal;
  /** Progress is drawn only where somebody looks. */
  readonly errorIsTerminal: boolean;
  nowMs(): number;
  out(text: string | Uint8Array): void;
  error(text: string): void;
}
