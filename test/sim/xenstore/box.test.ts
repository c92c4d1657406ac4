/** State's recovery box: wherever its process ends, a fresh one knows what was acknowledged, and what it shows is the same. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { BUILDER_DOMID, XENSTORE_LOGIC_DOMID, XENSTORE_STATE_DOMID } from '../../../src/contracts/domids.ts';
import {
  CHANGE,
  changeHeader,
  type StateOperation,
  type StateRequest,
  stateChanges,
  stateOperations,
} from '../../../src/contracts/xenstore-state.ts';
import { Box, type BoxPorts } from '../../../src/services/xenstore-state/box.ts';
import { Contents } from '../../../src/services/xenstore-state/contents.ts';
import { answerMessage } from '../../../src/services/xenstore-state/messages.ts';
import { restore } from '../../../src/services/xenstore-state/serve.ts';
import { XenStoreState } from '../../../src/services/xenstore-state/state.ts';
import { type Codec, encode } from '../../../src/wire/binary.ts';
import { MemoryXen } from '../../../src/xen/memory/memory-xen.ts';
import type { SharedRegion } from '../../../src/xen/ports.ts';
import { Life } from './mortal-ports.ts';

const pages = (count: number): SharedRegion =>
  new MemoryXen().add(XENSTORE_STATE_DOMID).grants.share(XENSTORE_LOGIC_DOMID, count, true).region;

/** One page of log: a snapshot is due every few messages. */
class Disk {
  private readonly logPages = pages(1);
  private snapshot: Uint8Array | null = null;
  snapshots = 0;

  ports(life: Life): BoxPorts {
    return life.mortal({
      log: life.mortal(this.logPages),
      readSnapshot: () => this.snapshot,
      writeSnapshot: (bytes: Uint8Array) => {
        this.snapshot = bytes;
        this.snapshots += 1;
      },
    });
  }
}

function freshState(): XenStoreState {
  return new XenStoreState(
    new Contents(pages(4)),
    { contents: [], journal: [] },
    { rootOwner: BUILDER_DOMID, log: () => undefined },
  );
}

const owned = (domid: number) => [{ domid, access: 'none' }] as const;
const domid = fc.constantFrom(16, 17);
const path = fc.constantFrom('/a', '/a/b', '/a/b/c', '/d');
const transaction = fc.constantFrom(0, 0, 1, 2);
const text = fc.string({ maxLength: 40 });

/** An operation and its request. */
const asked = fc.oneof(
  operation('write', fc.tuple(domid, transaction, path, text), ([by, id, where, what]) => {
    return { domid: by, transaction: id, path: where, value: new TextEncoder().encode(what), create: owned(by) };
  }),
  operation('remove', fc.tuple(domid, transaction, path), ([by, id, where]) => {
    return { domid: by, transaction: id, path: where };
  }),
  operation('setPermissions', fc.tuple(domid, transaction, path), ([by, id, where]) => {
    return { domid: by, transaction: id, path: where, permissions: owned(33 - by) };
  }),
  operation('watch', fc.tuple(domid, path, fc.constantFrom('t', 'u')), ([by, where, token]) => {
    return { domid: by, path: where, token, relative: false };
  }),
  operation('unwatch', fc.tuple(domid, path), ([by, where]) => ({ domid: by, path: where, token: 't' })),
  operation('transactionStart', domid, (by) => ({ domid: by })),
  operation('transactionEnd', fc.tuple(domid, transaction, fc.boolean()), ([by, id, commit]) => {
    return { domid: by, transaction: id, commit };
  }),
  operation('introduce', domid, (by) => ({ domid: by, port: 9, limits: 'guest', announce: true })),
  operation('depart', domid, (by) => ({ gone: [by], strangers: [by], shut: [33 - by], announce: true })),
  operation('look', fc.tuple(domid, transaction, path), ([by, id, where]) => {
    return { domid: by, transaction: id, at: 0, path: where, value: true, childrenFrom: 0 };
  }),
  operation('setTarget', domid, (by) => ({ domid: by, target: 33 - by })),
  operation('reconnect', domid, (by) => ({ domid: by })),
  operation('resumed', domid, (by) => ({ domid: by })),
  operation('forget', domid, (by) => ({ domid: by })),
  operation('queue', fc.tuple(domid, fc.nat(5), text), ([by, batch, what]) => {
    return { batch, messages: [{ domid: by, kind: 'event', message: new TextEncoder().encode(what) }] };
  }),
  operation('unsent', fc.tuple(domid, fc.nat(60)), ([by, producer]) => ({ domid: by, producer })),
  operation('keepPartial', fc.tuple(domid, text), ([by, what]) => {
    return { domid: by, bytes: new TextEncoder().encode(what), until: 7 };
  }),
);

function operation<O extends StateOperation, T>(
  name: O,
  what: fc.Arbitrary<T>,
  request: (value: T) => StateRequest<O>,
): fc.Arbitrary<(number: number) => Uint8Array> {
  const [code, codec] = stateOperations[name] as readonly [number, Codec<unknown>, Codec<unknown>];
  return what.map((value) => (number) => {
    const header = encode(changeHeader, { number, context: new TextEncoder().encode(`context ${number}`) });
    const body = [code, ...encode(codec, request(value))];
    return name in stateChanges ? Uint8Array.of(CHANGE, ...header, ...body) : Uint8Array.from(body);
  });
}

it('a State that ends anywhere comes back as one that has answered what was acknowledged, and no more than the next', () => {
  let snapshots = 0;
  let ends = 0;
  fc.assert(
    fc.property(
      fc.array(fc.tuple(asked, fc.option(fc.nat(12), { freq: 3 })), { minLength: 1, maxLength: 120 }),
      (program) => {
        const disk = new Disk();
        const silent = (): void => undefined;
        let life = new Life();
        let box = new Box(disk.ports(life));
        let state = freshState();
        const reference = freshState();
        for (const [index, [message, endAfter]] of program.entries()) {
          const bytes = message(index + 1);
          if (endAfter !== null) life.endAfter(endAfter);
          let acknowledged = false;
          life.within(
            () => {
              if (answerMessage(state, bytes, silent).leavesTrace) box.keep(bytes, () => state.save());
              acknowledged = true;
            },
            () => {
              ends += 1;
            },
          );
          if (!acknowledged) {
            life = new Life();
            box = new Box(disk.ports(life));
            state = freshState();
            restore(state, box, silent);
            // What was not acknowledged is there, or it is not: half of it is not.
            const without = reference.save();
            answerMessage(reference, bytes, silent);
            if (equal(state.save(), without)) answerMessage(state, bytes, silent);
            box.replace(state.save());
          } else answerMessage(reference, bytes, silent);
          expect(equal(state.save(), reference.save())).toBe(true);
        }
        snapshots += disk.snapshots;
      },
    ),
    { numRuns: 200 },
  );
  expect(snapshots).toBeGreaterThan(100);
  expect(ends).toBeGreaterThan(100);
});

it('what is no box is told, and a State begins', () => {
  const said: string[] = [];
  const life = new Life();
  const disk = new Disk();
  disk.ports(life).writeSnapshot(Uint8Array.of(0, 0, 0, 0, 1, 2, 3));
  const state = freshState();
  restore(state, new Box(disk.ports(life)), (line) => said.push(line));
  expect(said).toEqual([expect.stringContaining('the recovery box is damaged')]);
  expect(state.answer('connections', {}).connections).toEqual([]);
});

const equal = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, index) => byte === b[index]);
