/**
 * What a request could do to XenStore-Logic that had taken it over, for tests: reading `/poison/<damage>/<times>/…` does the damage the first so many
 * times. How often it was done is in a file, as nothing in the heap remembers it. Reading `/poison/probe` tells what is left of any damage.
 */
import * as rt from 'ennead:rt';
import { type RequestType, requestTypes } from '../../src/services/xenstore-logic/request-table.ts';
import { decodeStrings, encodeText, messageTypes } from '../../src/wire/xenstore-message.ts';

/** So that an endless loop does not take the ten seconds that it has. */
const HANDLER_LIMIT_MS = 500;
/** Most of the heap. */
const LEAKED_BYTES = 8 * 1024 * 1024;

const types = requestTypes as Map<number, RequestType>;
const read = types.get(messageTypes.read)!;

const builtIns: readonly (readonly [name: string, object: object])[] = [
  ...(
    [Object, Array, Function, Map, Set, Promise, Uint8Array, DataView, String, Number, RegExp, Error] as const
  ).flatMap((type): [string, object][] => [
    [type.name, type],
    [`${type.name}.prototype`, type.prototype],
  ]),
  ['globalThis', globalThis],
  ['JSON', JSON],
  ['Math', Math],
];

/** Everything that hangs on the language's own objects. */
const inventory = (): Map<string, unknown> =>
  new Map(
    builtIns.flatMap(([name, object]) =>
      Reflect.ownKeys(object).map((key): [string, unknown] => {
        const { value, get, set } = Reflect.getOwnPropertyDescriptor(object, key)!;
        return [`${name}.${String(key)}`, get ?? set ?? value];
      }),
    ),
  );

const pristine = inventory();

/** Which properties differ from those at the start; how many types Logic has; the heap's use in KiB. */
function probe(): string {
  const now = inventory();
  const names = new Set([...pristine.keys(), ...now.keys()]);
  const changed = [...names].filter(
    (name) => now.has(name) !== pristine.has(name) || !Object.is(now.get(name), pristine.get(name)),
  );
  return JSON.stringify({ changed, types: types.size, heapKib: Math.round(rt.heapStats().usedBytes / 1024) });
}

/** Nothing that comes after it can work. */
function spoilEverything(): void {
  Object.assign(globalThis, { leaked: builtIns, Uint8Array: 7 });
  Object.defineProperty(Object.prototype, 'domid', { set: () => undefined });
  Array.prototype.push = () => {
    throw new Error('poisoned');
  };
  Map.prototype.get = () => undefined;
  Uint8Array.prototype.slice = () => new Uint8Array(1);
  JSON.parse = () => null;
  Reflect.deleteProperty(Object.prototype, 'hasOwnProperty');
  types.clear();
}

function fill(): never {
  const all: unknown[] = [];
  for (;;) all.push(new Array(1000).fill(all.length), new Uint8Array(3000));
}

const recurse = (): number => recurse() + 1;

const damages: Readonly<Record<string, () => void>> = {
  // These are done when the request has its answer.
  spoil: () => void Promise.resolve().then(spoilEverything),
  leak: () => Object.assign(globalThis, { leaked: new Uint8Array(LEAKED_BYTES) }),
  rejection: () => void Promise.reject(new Error('poisoned')),
  'endless-jobs': () => {
    const again = (): unknown => Promise.resolve().then(again);
    again();
  },
  // These end the handler before it has answered.
  'spoil-at-once': () => {
    spoilEverything();
    throw new Error('poisoned');
  },
  exception: () => {
    throw new Error('poisoned');
  },
  'endless-loop': () => {
    for (;;);
  },
  'endless-recursion': () => void recurse(),
  'out-of-memory': fill,
};

/** true for the first `times` calls. */
function isDue(path: string, times: number): boolean {
  const file = `${rt.args[0]}/done${path.replaceAll('/', '-')}`;
  const done = rt.stat(file) === null ? 0 : Number(new TextDecoder().decode(rt.readFile(file, 20)));
  if (done >= times) return false;
  rt.writeFile(file, encodeText(String(done + 1)));
  return true;
}

types.set(messageTypes.read, {
  ...read,
  handle(request) {
    const [path = ''] = decodeStrings(request.payload).strings;
    if (path === '/poison/probe') return encodeText(probe());
    const [, damage = '', times] = /^\/poison\/([a-z-]+)\/(\d+)\//.exec(path) ?? [];
    const poison = damages[damage];
    if (poison && isDue(path, Number(times))) poison();
    return read.handle(request);
  },
});

rt.setHandlerLimit(HANDLER_LIMIT_MS);
