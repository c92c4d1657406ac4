/** Makes steps in the order their needs ask for, each at most once, from the cache where it can. */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CommandLog, lastLines, runCommand } from './command.ts';
import { digestRecord, type Sha256 } from './digest.ts';
import type { Toolbox } from './packages.ts';
import type { Progress } from './progress.ts';
import { type Artifact, type Job, type Lane, type Scope, type Step, StepError } from './step.ts';
import type { Store } from './store.ts';

export interface ExecutionOptions {
  readonly store: Store;
  readonly toolbox: Toolbox;
  readonly progress: Progress;
  /** Take the newest versions from the archive again. */
  readonly refresh: boolean;
}

export class Execution {
  readonly #options: ExecutionOptions;
  readonly #artifacts = new Map<Step, Promise<Artifact>>();
  readonly #lanes: Record<Lane, Promise<unknown>> = {
    kernel: Promise.resolve(),
    cpu: Promise.resolve(),
    network: Promise.resolve(),
  };
  readonly #abort = new AbortController();

  constructor(options: ExecutionOptions) {
    this.#options = options;
  }

  /** Kills what is running; the steps concerned fail. */
  abort(reason: Error): void {
    this.#abort.abort(reason);
  }

  /** The first failure stops everything else, and is thrown when everything has stopped. */
  async makeAll(steps: readonly Step[]): Promise<ReadonlyMap<Step, Artifact>> {
    const results = await Promise.allSettled(steps.map((step) => this.make(step)));
    if (this.#abort.signal.aborted) {
      await Promise.allSettled(this.#artifacts.values());
      throw this.#abort.signal.reason;
    }
    const artifacts = results.map((result) => (result as PromiseFulfilledResult<Artifact>).value);
    return new Map(steps.map((step, index) => [step, artifacts[index]!]));
  }

  /** What has been made so far, needs included. */
  everything(): Promise<Artifact[]> {
    return Promise.all(this.#artifacts.values());
  }

  make(step: Step): Promise<Artifact> {
    const known = this.#artifacts.get(step);
    if (known) return known;
    const made = this.#make(step).catch((cause) => {
      this.abort(cause);
      throw cause;
    });
    this.#artifacts.set(step, made);
    return made;
  }

  async #make(step: Step): Promise<Artifact> {
    const needs = new Map<Step, Artifact>();
    await Promise.all(step.needs.map((need) => this.make(need).then((artifact) => needs.set(need, artifact))));
    const { store, toolbox, progress, refresh } = this.#options;
    const scope: Scope = { toolbox, artifact: (need) => artifactOf(step, needs, need) };
    const key = await keyOf(step, scope);
    const cached = step.newest && refresh ? undefined : await store.find(step.name, key);
    if (cached) {
      progress.done(cached);
      return cached;
    }
    return this.#inLane(step.lane, () => this.#build(step, key, scope));
  }

  #inLane<T>(lane: Lane, work: () => Promise<T>): Promise<T> {
    const turn = this.#lanes[lane].then(work);
    this.#lanes[lane] = turn.catch(() => undefined);
    return turn;
  }

  async #build(step: Step, key: Sha256, scope: Scope): Promise<Artifact> {
    const { store, progress } = this.#options;
    this.#abort.signal.throwIfAborted();
    const startedMs = performance.now();
    progress.started(step.name);
    const scratch = await store.scratch(step.name);
    const log = new CommandLog(store.logPath(step.name));
    try {
      const job = await this.#job(scope, scratch, log);
      const built = await step.build(job);
      const artifact = await store.add(step.name, key, job.outDir, built, performance.now() - startedMs);
      progress.done(artifact);
      return artifact;
    } catch (cause) {
      progress.ended(step.name, 'failed');
      if (this.#abort.signal.aborted) throw this.#abort.signal.reason;
      log.line(cause instanceof Error ? (cause.stack ?? cause.message) : String(cause));
      await log.close();
      throw new StepError(step.name, log.path, await lastLines(log.path), cause);
    } finally {
      await log.close();
      await rm(scratch, { recursive: true, force: true });
    }
  }

  async #job(scope: Scope, scratch: string, log: CommandLog): Promise<Job> {
    const { store } = this.#options;
    const { signal } = this.#abort;
    const outDir = join(scratch, 'out');
    const scratchDir = join(scratch, 'scratch');
    await mkdir(outDir, { recursive: true });
    await mkdir(scratchDir, { recursive: true });
    return {
      ...scope,
      outDir,
      scratchDir,
      aptDir: join(store.root, 'apt'),
      sharedDir: (name) => store.work(name),
      run: async (argv, options) => void (await runCommand(argv, log, signal, options)),
      capture: (argv, options) => runCommand(argv, log, signal, options),
      log: (line) => log.line(line),
    };
  }
}

/** What the cache holds of these steps; a step whose inputs cannot even be read is not there. */
export async function findCached(
  steps: readonly Step[],
  store: Store,
  toolbox: Toolbox,
): Promise<ReadonlyMap<Step, Artifact>> {
  const found = new Map<Step, Artifact>();
  const visited = new Set<Step>();
  const visit = async (step: Step): Promise<void> => {
    if (visited.has(step)) return;
    visited.add(step);
    for (const need of step.needs) await visit(need);
    if (step.needs.some((need) => !found.has(need))) return;
    const scope: Scope = { toolbox, artifact: (need) => artifactOf(step, found, need) };
    const key = await keyOf(step, scope).catch(() => undefined);
    const artifact = key && (await store.find(step.name, key));
    if (artifact) found.set(step, artifact);
  };
  for (const step of steps) await visit(step);
  return found;
}

function artifactOf(step: Step, needs: ReadonlyMap<Step, Artifact>, need: Step): Artifact {
  const artifact = needs.get(need);
  if (!artifact) throw new Error(`${step.name} uses ${need.name} without needing it`);
  return artifact;
}

/** Covers the step's own inputs, the contents of what it needs, and the versions of its tools. */
async function keyOf(step: Step, scope: Scope): Promise<Sha256> {
  const needs = step.needs.map((need) => [`need ${need.name}`, scope.artifact(need).digest] as const);
  const inputs = Object.entries(await step.inputs(scope)).map(([name, value]) => [`input ${name}`, value] as const);
  const packages = scope.toolbox.versionsOf(step.packages);
  return digestRecord({ step: step.name, packages, ...Object.fromEntries([...needs, ...inputs]) });
}
