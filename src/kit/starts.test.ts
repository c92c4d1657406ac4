import { expect, it } from 'vitest';
import { startsNode } from '../contracts/builder.ts';
import { MemoryXen } from '../xen/memory/memory-xen.ts';
import { countStart, startsOf } from './starts.ts';

const noLog = (line: string): never => {
  throw new Error(line);
};

it('each process counts on from the one before, and nonsense counts as nothing', async () => {
  const xen = new MemoryXen();
  const { xenstore } = xen.add(6);
  expect(await startsOf(xenstore, 6)).toBe(0);
  await countStart(xenstore, 6, noLog);
  await countStart(xen.xenstore.connect(6), 6, noLog);
  expect(await startsOf(xenstore, 6)).toBe(2);
  await xenstore.write(startsNode(6), '-1e9');
  expect(await startsOf(xenstore, 6)).toBe(0);
});
