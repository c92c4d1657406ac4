/** BlkBack's volumes, as Toolstack asks for them through XenStore. */
import * as z from 'zod/mini';
import type { ToolstackError } from '../../contracts/toolstack.ts';
import {
  type Volume,
  type VolumeAnswer,
  type VolumeErrorCode,
  type VolumeRequest,
  volumeAnswer,
  volumeAnswerDirectory,
  volumeRequestDirectory,
} from '../../contracts/volumes.ts';
import { RpcError } from '../../kit/rpc.ts';
import { type DomId, PortError } from '../../xen/ports.ts';
import type { XenStore } from '../../xen/xenstore-port.ts';
import type { Builder } from './builder-client.ts';
import { readyDriver } from './guest-domain.ts';

export interface VolumeList {
  readonly volumes: readonly Volume[];
  readonly freeBytes: number;
}

type Page = Extract<VolumeAnswer, { ok: true }>;

/** Allocation on a full or slow disk may take its time; an answer that never comes must not hold an operator for ever. */
const ANSWER_TIMEOUT_MS = 60_000;

const errorWords = {
  exists: 'volume-exists',
  missing: 'volume-missing',
  busy: 'volume-busy',
  full: 'volume-full',
  'bad-request': 'bad-config',
  failed: 'volume-failed',
} as const satisfies Record<VolumeErrorCode, ToolstackError>;

export class Volumes {
  private lastRequest = 0;

  /** `session` sets this process's requests apart from those of an earlier one that BlkBack may still answer. */
  constructor(
    private readonly xenstore: XenStore,
    private readonly builder: Builder,
    private readonly session: string,
  ) {}

  async storageDomid(): Promise<DomId> {
    return readyDriver(await this.builder.drivers(), 'storage');
  }

  /** BlkBack answers in pages of what one XenStore value holds. */
  async list(): Promise<VolumeList> {
    const volumes: Volume[] = [];
    for (;;) {
      const last = volumes.at(-1)?.name;
      const page = await this.ask({ op: 'list', ...(last === undefined ? {} : { after: last }) });
      volumes.push(...page.volumes);
      if (!page.more || page.volumes.length === 0) return { volumes, freeBytes: page.freeBytes };
    }
  }

  async create(name: string, bytes: number): Promise<void> {
    await this.ask({ op: 'create', name, bytes });
  }

  async delete(name: string): Promise<void> {
    await this.ask({ op: 'delete', name });
  }

  async find(name: string): Promise<Volume> {
    const found = (await this.list()).volumes.find((volume) => volume.name === name);
    if (!found) throw new RpcError('volume-missing', `no volume ${name}; see: ennead volume list`);
    return found;
  }

  private async ask(request: VolumeRequest): Promise<Page> {
    const storage = await this.storageDomid();
    this.lastRequest += 1;
    const id = `${this.session}-${this.lastRequest}`;
    const answerPath = `${volumeAnswerDirectory(storage)}/${id}`;
    await this.xenstore.write(`${volumeRequestDirectory(storage)}/${id}`, JSON.stringify(request));
    try {
      const text = await this.xenstore.waitFor(answerPath, (value) => value || undefined, ANSWER_TIMEOUT_MS);
      return understood(text);
    } catch (error) {
      if (error instanceof PortError && error.code === 'ETIMEDOUT') {
        await this.xenstore.remove(`${volumeRequestDirectory(storage)}/${id}`);
        throw new RpcError('no-driver', `BlkBack (domain ${storage}) does not answer`);
      }
      throw error;
    } finally {
      await this.xenstore.remove(answerPath);
    }
  }
}

function understood(text: string): Page {
  let answer: VolumeAnswer;
  try {
    answer = z.parse(volumeAnswer, JSON.parse(text));
  } catch {
    throw new RpcError('volume-failed', "BlkBack's answer makes no sense");
  }
  if (answer.ok) return answer;
  throw new RpcError(errorWords[answer.code], answer.message);
}
