/** What a build step is. Steps name each other by reference, so the graph has no cycles and no misspelt edges. */
import type { Sha256 } from './digest.ts';
import type { Toolbox } from './packages.ts';

/**
 * Where a step waits for its turn. Each lane runs one step at a time. The kernels share a tree, and what else is compiled fills the
 * processors while one of them is unpacked, configured or linked; downloads cost neither anything.
 */
export type Lane = 'kernel' | 'cpu' | 'network';

export interface Step {
  /** Kebab-case; names the artifact, its folder and its log. */
  readonly name: string;
  /** What it makes, in a few words, for people. */
  readonly summary: string;
  readonly lane: Lane;
  readonly needs: readonly Step[];
  /** It takes the newest version from Debian's archive, which no input can name: made anew only when asked to refresh. */
  readonly newest?: true;
  /** Debian packages that must be installed. Those in `packages` count as inputs, by version. */
  readonly packages: readonly string[];
  /** Everything else the result depends on: text is taken as it is, so files go in as digests. */
  inputs(scope: Scope): Promise<Readonly<Record<string, string>>>;
  build(job: Job): Promise<Built>;
}

/** What `inputs` may look at: artifacts of `needs`, and versions of installed packages. */
export interface Scope {
  readonly toolbox: Toolbox;
  artifact(step: Step): Artifact;
}

export interface Job extends Scope {
  /** Empty; becomes the artifact when `build` returns. */
  readonly outDir: string;
  /** Empty; deleted afterwards, however the step ends. */
  readonly scratchDir: string;
  /** Outlives the step and is shared by steps that say the same `name`: a kernel's build tree. Deleted after the whole build. */
  sharedDir(name: string): Promise<string>;
  /** The private apt state: lists and settings that leave the machine's own alone. */
  readonly aptDir: string;
  run(argv: readonly string[], options?: RunOptions): Promise<void>;
  /** The same, returning what it printed. */
  capture(argv: readonly string[], options?: RunOptions): Promise<string>;
  log(line: string): void;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Not in a session and process group of its own: sudo knows by the terminal whom it has asked for a password. */
  readonly keepsTerminal?: boolean;
}

export interface Built {
  readonly version: string;
  /** Sparse files of gigabytes that nothing else is built from: hashing their holes would take longer than making them. */
  readonly unhashed?: readonly string[];
  /** What it was made from, for the bill of materials. */
  readonly materials?: readonly Material[];
}

export interface Material {
  readonly name: string;
  readonly version: string;
  readonly sha256: Sha256;
}

export interface ArtifactFile {
  readonly sizeBytes: number;
  /** Absent where the step said so. */
  readonly sha256?: Sha256;
}

/** A finished step: files under `dir`, never changed again. */
export interface Artifact {
  readonly name: string;
  readonly version: string;
  readonly materials: readonly Material[];
  readonly key: Sha256;
  readonly dir: string;
  readonly files: Readonly<Record<string, ArtifactFile>>;
  /** Of all names and contents: what depends on this artifact is keyed by it. */
  readonly digest: Sha256;
  readonly cached: boolean;
  readonly elapsedMs: number;
  path(file: string): string;
}

export class StepError extends Error {
  override readonly name = 'StepError';
  readonly step: string;
  readonly logPath: string;
  readonly lastLines: readonly string[];

  constructor(step: string, logPath: string, lastLines: readonly string[], cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(`${step} failed: ${reason}\n${lastLines.map((line) => `  | ${line}`).join('\n')}\n  log: ${logPath}`);
    this.step = step;
    this.logPath = logPath;
    this.lastLines = lastLines;
    this.cause = cause;
  }
}
