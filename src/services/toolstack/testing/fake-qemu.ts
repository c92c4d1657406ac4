/** For tests: a Qemu VM at the end of its link. It does what it is asked, or whatever a test makes of it. */

import * as z from 'zod/mini';
import {
  DEVICE_MODEL_LINK,
  deviceModelMethods,
  type Machine,
  SHOT_PART_BYTES,
} from '../../../contracts/device-model.ts';
import type { MessageLink } from '../../../kit/link.ts';
import { offerLink } from '../../../kit/link-offer.ts';
import { type RpcMethods, type RpcPeer, rpcMethod, rpcPeer } from '../../../kit/rpc.ts';
import type { MemoryDomain } from '../../../xen/memory/memory-xen.ts';
import { TOOLSTACK } from './fake-back-ends.ts';

const OFFER_AGAIN_MS = 200;
/** Longer than one part. */
const SHOT_BYTES = SHOT_PART_BYTES + 100;
const PNG_SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

type Method = keyof typeof deviceModelMethods;

export class FakeQemu {
  /** What it was asked, in order. */
  readonly asked: { method: string; params: Record<string, unknown> }[] = [];
  /** What it answers instead; a promise that never ends is silence. */
  answers: Partial<Record<Method, (params: never) => unknown>> = {};
  readonly shot = Uint8Array.from({ length: SHOT_BYTES }, (_, index) => PNG_SIGNATURE[index] ?? index % 251);
  serialInput = '';
  /** Of every session. */
  screenInput = '';
  readonly screensClosed: number[] = [];
  offersAgain = true;
  links = 0;
  link: MessageLink | null = null;
  private peer: RpcPeer | null = null;

  constructor(readonly domain: MemoryDomain) {}

  get machine(): Machine {
    const start = this.asked.find(({ method }) => method === 'machine.start');
    if (!start) throw new Error('no machine was started');
    return start.params as Machine;
  }

  /** Linux connects what is plugged into it, and the service offers its link. */
  async start(): Promise<void> {
    const { xenstore, domid } = this.domain;
    await xenstore.watch(`/local/domain/${domid}/device`, async (changed) => {
      if (changed.endsWith('/state') && (await xenstore.read(changed)) === '1') await xenstore.write(changed, '4');
    });
    await this.offer();
  }

  async offer(): Promise<void> {
    const link = await offerLink(this.domain, { name: DEVICE_MODEL_LINK, server: TOOLSTACK });
    this.links += 1;
    this.link = link;
    this.peer = rpcPeer(link, this.methods());
    link.onClosed(() => {
      if (this.offersAgain) this.domain.clock.after(OFFER_AGAIN_MS, () => void this.offer().catch(() => {}));
    });
  }

  notify(method: string, params: object): void {
    this.peer?.notify(method, params);
  }

  print(text: string): void {
    this.notify('serial.data', { data: text });
  }

  private methods(): RpcMethods {
    const { shot } = this;
    const done = (): object => ({});
    const usual: Record<Method, (params: never) => unknown> = {
      'machine.start': done,
      'media.change': done,
      'screen.shot': () => ({ bytes: shot.length }),
      'screen.part': ({ offset }: { offset: number }) => ({
        data: String.fromCharCode(...shot.subarray(offset, offset + SHOT_PART_BYTES)),
      }),
      'screen.open': ({ session }: { session: number }) => {
        this.notify('screen.data', { session, data: 'RFB 003.008\n' });
        return {};
      },
    };
    const calls = (Object.keys(usual) as Method[]).map((method) => [
      method,
      rpcMethod(deviceModelMethods[method], (params) => {
        this.asked.push({ method, params: params as Record<string, unknown> });
        return (this.answers[method] ?? usual[method])(params as never);
      }),
    ]);
    return {
      ...Object.fromEntries(calls),
      'serial.data': rpcMethod(z.object({ data: z.string() }), ({ data }) => {
        this.serialInput += data;
      }),
      'screen.data': rpcMethod(z.object({ session: z.number(), data: z.string() }), ({ data }) => {
        this.screenInput += data;
      }),
      'screen.closed': rpcMethod(z.object({ session: z.number() }), ({ session }) => {
        this.screensClosed.push(session);
      }),
    };
  }
}
