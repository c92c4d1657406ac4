import { EventEmitter, once } from 'node:events';
import { access, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Execution, findCached } from './execution.ts';
import { toolboxOf } from './packages.ts';
import type { Progress } from './progress.ts';
import { type Artifact, type Job, type Step, StepError } from './step.ts';
import { Store } from './store.ts';

const SILENT: Progress = { started() {}, done() {}, ended() {}, note() {}, end() {} };

let root: string;
let store: Store;
let built: string[];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'ennead-execution-'));
  store = new Store(root);
  await store.createFolders();
  built = [];
});
afterEach(() => rm(root, { recursive: true }));

interface StepOptions extends Partial<Step> {
  readonly input?: string;
  readonly make?: (job: Job) => Promise<void>;
}

function step(name: string, { input = '', make, ...others }: StepOptions = {}): Step {
  return {
    name,
    summary: name,
    lane: 'cpu',
    needs: [],
    packages: [],
    inputs: async () => ({ input }),
    async build(job) {
      built.push(name);
      await writeFile(join(job.outDir, 'file'), input);
      await make?.(job);
      return { version: '1' };
    },
    ...others,
  };
}

function execution(versions: Record<string, string> = {}, refresh = false): Execution {
  return new Execution({ store, toolbox: toolboxOf(new Map(Object.entries(versions))), progress: SILENT, refresh });
}

const makeAll = (...steps: Step[]): Promise<ReadonlyMap<Step, Artifact>> => execution().makeAll(steps);

describe('Execution', () => {
  it('builds what a step needs before it, each once', async () => {
    const base = step('base', { input: 'b' });
    const left = step('left', { needs: [base] });
    const right = step('right', { needs: [base] });
    const top = step('top', {
      needs: [left, right, base],
      make: async (job) => expect(await readFile(job.artifact(base).path('file'), 'utf8')).toBe('b'),
    });
    await makeAll(top, left);
    // Steps that do not need each other may finish in either order.
    expect([built[0], built.at(-1)]).toEqual(['base', 'top']);
    expect([...built].sort()).toEqual(['base', 'left', 'right', 'top']);
  });

  it('takes from the cache what has been built before, and says so', async () => {
    const base = step('base');
    const first = await makeAll(step('top', { needs: [base] }));
    const second = await makeAll(step('top', { needs: [base] }));
    expect(built).toEqual(['base', 'top']);
    expect([...first.values()].map(({ cached }) => cached)).toEqual([false]);
    expect([...second.values()].map(({ cached }) => cached)).toEqual([true]);
  });

  it('builds again when an input or the version of a tool has changed, or a file of the artifact is damaged', async () => {
    const packages = ['gcc'];
    await execution({ gcc: '1' }).makeAll([step('a', { packages })]);
    await execution({ gcc: '1' }).makeAll([step('a', { packages, input: 'changed' })]);
    const [artifact] = (await execution({ gcc: '2' }).makeAll([step('a', { packages })])).values();
    expect(built).toEqual(['a', 'a', 'a']);
    await writeFile(artifact!.path('file'), 'longer than it was');
    await execution({ gcc: '2' }).makeAll([step('a', { packages })]);
    expect(built).toHaveLength(4);
  });

  it('leaves alone what depends on a step that was built again with the same result', async () => {
    const make = (recipe: string): Step => {
      const base = step('base', { inputs: async () => ({ recipe }), build: async () => ({ version: recipe }) });
      return step('top', { needs: [base] });
    };
    await makeAll(make('one'));
    await makeAll(make('two'));
    expect(built).toEqual(['top']);
  });

  it('asks the archive again only when refreshing', async () => {
    const fetched = step('fetched', { newest: true });
    await makeAll(fetched);
    await makeAll(fetched);
    expect(built).toEqual(['fetched']);
    await execution({}, true).makeAll([fetched]);
    expect(built).toEqual(['fetched', 'fetched']);
  });

  it('overlaps steps of different lanes and no others', async () => {
    const running = new Set<string>();
    const seen: string[] = [];
    const begun = new EventEmitter();
    /** Runs until the steps that it names have begun, too. */
    const until = (name: string, lane: Step['lane'], ...others: readonly string[]): Step => {
      const all = others.map((other) => once(begun, other));
      return step(name, {
        lane,
        make: async () => {
          running.add(name);
          seen.push([...running].sort().join('+'));
          begun.emit(name);
          await Promise.all(all);
          running.delete(name);
        },
      });
    };
    await makeAll(until('compile', 'cpu', 'fetch'), until('link', 'cpu'), until('fetch', 'network', 'compile'));
    expect(seen).not.toContain('compile+link');
    expect(seen.some((names) => names === 'compile+fetch')).toBe(true);
  });

  it('names the log of a failed step, shows its last lines, and leaves nothing half-made', async () => {
    const failing = step('failing', { make: (job) => job.run(['sh', '-c', 'echo out of cheese; exit 3']) });
    const error: unknown = await makeAll(failing).catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(StepError);
    const { message, logPath } = error as StepError;
    expect(message).toContain('failing failed: sh ended with status 3');
    expect(message).toContain('| out of cheese');
    expect(message).toContain(logPath);
    expect(await readFile(logPath, 'utf8')).toContain('out of cheese');
    expect(await readdir(join(root, 'artifacts'))).toEqual([]);
    expect(await readdir(join(root, 'tmp'))).toEqual([]);
  });

  it('kills what else is running when a step fails, and throws the first failure', async () => {
    const stuck = step('stuck', { lane: 'network', make: (job) => job.run(['sleep', '60']) });
    const failing = step('failing', { make: (job) => job.run(['false']) });
    await expect(makeAll(stuck, failing)).rejects.toThrow('failing failed');
  });

  it('does not start what depends on a failed step', async () => {
    const failing = step('failing', { make: (job) => job.run(['false']) });
    await expect(makeAll(step('top', { needs: [failing] }))).rejects.toThrow('failing failed');
    expect(built).toEqual(['failing']);
  });

  it('refuses a step that uses what it does not need', async () => {
    const base = step('base');
    const sneaky = step('sneaky', { make: async (job) => void job.artifact(base) });
    await expect(makeAll(base, sneaky)).rejects.toThrow('sneaky uses base without needing it');
  });

  it("runs commands without the user's environment", async () => {
    process.env.CFLAGS = '-O0';
    let printed = '';
    const printing = step('printing', {
      make: async (job) => {
        printed = await job.capture(['env']);
      },
    });
    await makeAll(printing).finally(() => delete process.env.CFLAGS);
    expect(printed).toContain('SOURCE_DATE_EPOCH=');
    expect(printed).not.toContain('CFLAGS');
  });
});

describe('findCached()', () => {
  it('finds what is there without building what is not', async () => {
    const there = step('there');
    const missing = step('missing', { input: 'x', needs: [there] });
    await makeAll(there);
    const found = await findCached([missing], store, toolboxOf(new Map()));
    expect([...found.keys()]).toEqual([there]);
    expect(built).toEqual(['there']);
  });
});

describe('Store', () => {
  it('keeps the most recently used artifacts of a step', async () => {
    for (const input of ['1', '2', '3']) await makeAll(step('a', { input }));
    await makeAll(step('a', { input: '1' }));
    await store.prune(2);
    const [kept, dropped] = [await execution().make(step('a', { input: '1' })), step('a', { input: '2' })];
    expect(kept.cached).toBe(true);
    await access(kept.path('file'));
    expect((await execution().make(dropped)).cached).toBe(false);
  });
});
