/** Answers Toolstack's requests for volumes (src/contracts/volumes.ts), one after the other. */
import {
  VOLUME_ANSWER_BYTES_MAX,
  type Volume,
  type VolumeAnswer,
  type VolumeRequest,
  volumeAnswerDirectory,
  volumeRequest,
  volumeRequestDirectory,
  volumeRequestId,
} from '../../contracts/volumes.ts';
import type { DomId, Log } from '../../xen/ports.ts';
import type { XenStore } from '../../xen/xenstore-port.ts';
import { type StoredVolume, VolumeError, type VolumeStore } from './volume-store.ts';

/** Who has a volume as a disk. */
export interface VolumeUse {
  frontendsOf(volume: string): DomId[];
  inUse(volume: string): boolean;
}

export function answerVolumeRequest(request: VolumeRequest, volumes: VolumeStore, use: VolumeUse): VolumeAnswer {
  const describe = ({ name, bytes, allocatedBytes }: StoredVolume): Volume => ({
    name,
    bytes,
    allocatedBytes,
    attachedTo: use.frontendsOf(name),
  });
  switch (request.op) {
    case 'create': {
      const created = describe(volumes.create(request.name, request.bytes));
      return { ok: true, volumes: [created], more: false, freeBytes: volumes.freeBytes() };
    }
    case 'delete':
      if (use.inUse(request.name)) throw new VolumeError('busy', `volume ${request.name} is in use`);
      volumes.delete(request.name);
      return { ok: true, volumes: [], more: false, freeBytes: volumes.freeBytes() };
    case 'list': {
      const wanted = volumes.list().filter(({ name }) => request.after === undefined || name > request.after);
      return onePage(wanted.map(describe), volumes.freeBytes());
    }
  }
}

/** As many volumes as one answer holds, but at least one. */
function onePage(volumes: readonly Volume[], freeBytes: number): VolumeAnswer {
  const page: Volume[] = [];
  let bytes = JSON.stringify({ ok: true, volumes: [], more: false, freeBytes }).length;
  for (const volume of volumes) {
    bytes += JSON.stringify(volume).length + 1;
    if (bytes > VOLUME_ANSWER_BYTES_MAX && page.length > 0) break;
    page.push(volume);
  }
  return { ok: true, volumes: page, more: page.length < volumes.length, freeBytes };
}

export interface VolumeRequestPorts {
  readonly store: XenStore;
  readonly log: Log;
}

/** Resolves to the function that ends it. */
export async function serveVolumeRequests(
  ports: VolumeRequestPorts,
  domid: DomId,
  volumes: VolumeStore,
  use: VolumeUse,
): Promise<() => Promise<void>> {
  const { store, log } = ports;
  const requests = volumeRequestDirectory(domid);
  const answers = volumeAnswerDirectory(domid);

  const serve = async (id: string): Promise<void> => {
    const text = await store.read(`${requests}/${id}`);
    if (text === null) return;
    const answer = carryOut(text, volumes, use);
    if (!answer.ok) log(`volume request ${id}: ${answer.code}: ${answer.message}`);
    await store.write(`${answers}/${id}`, JSON.stringify(answer));
    await store.remove(`${requests}/${id}`);
  };
  const serveAll = async (): Promise<void> => {
    for (const id of (await store.list(requests)) ?? []) if (volumeRequestId.safeParse(id).success) await serve(id);
  };

  await store.remove(answers);
  await store.mkdir(answers);
  await store.mkdir(requests);
  let turn: Promise<void> = Promise.resolve();
  const unwatch = await store.watch(requests, () => {
    turn = turn.then(serveAll).catch((error: unknown) => log(`volume requests: ${String(error)}`));
  });
  return async () => {
    await unwatch();
    await turn;
  };
}

function carryOut(text: string, volumes: VolumeStore, use: VolumeUse): VolumeAnswer {
  const request = parse(text);
  if (request === null) return { ok: false, code: 'bad-request', message: 'not a request for volumes' };
  try {
    return answerVolumeRequest(request, volumes, use);
  } catch (error) {
    const code = error instanceof VolumeError ? error.code : 'failed';
    return { ok: false, code, message: error instanceof Error ? error.message : String(error) };
  }
}

function parse(text: string): VolumeRequest | null {
  try {
    return volumeRequest.parse(JSON.parse(text));
  } catch {
    return null;
  }
}
