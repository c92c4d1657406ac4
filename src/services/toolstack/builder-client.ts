/** Builder, as Toolstack asks it. Answers are checked: a fault of Builder must not become a wrong guess here. */
import * as z from 'zod/mini';
import {
  type builderMethods,
  domid,
  type GuestBuilt,
  type GuestSpec,
  type ServiceStatus,
  type TrustRecord,
  trustRecord,
} from '../../contracts/builder.ts';
import { RpcError, type RpcPeer } from '../../kit/rpc.ts';
import type { DomId } from '../../xen/ports.ts';

export interface Driver {
  readonly domid: DomId;
  readonly kind: 'storage' | 'network';
  readonly ready: boolean;
}

export interface Builder {
  createGuest(spec: GuestSpec): Promise<GuestBuilt>;
  startDeviceModel(ofGuest: DomId): Promise<void>;
  unpause(of: DomId): Promise<void>;
  pause(of: DomId): Promise<void>;
  pressPowerButton(of: DomId): Promise<void>;
  reset(of: DomId): Promise<void>;
  destroy(of: DomId): Promise<void>;
  drivers(): Promise<readonly Driver[]>;
  services(): Promise<readonly ServiceStatus[]>;
  trustRecords(): Promise<readonly TrustRecord[]>;
  shutdownHost(): Promise<void>;
}

const number = z.number();
const answers = {
  built: z.object({
    domid,
    deviceModel: z.nullable(domid),
    consoleGfn: number,
    consolePort: number,
    storeGfn: number,
    storePort: number,
  }),
  drivers: z.object({
    drivers: z.array(z.object({ domid, kind: z.enum(['storage', 'network']), ready: z.boolean() })),
  }),
  services: z.object({
    services: z.array(
      z.object({
        name: z.string(),
        job: z.string(),
        domid: z.nullable(domid),
        memoryMib: number,
        state: z.enum(['starting', 'running', 'paused', 'done', 'failed']),
        upSince: z.nullable(z.string()),
        resets: number,
      }),
    ),
  }),
  records: z.object({ records: z.array(trustRecord) }),
  done: z.unknown(),
};

/** Loading a kernel takes seconds where the processor is emulated; a dying domain waits for its back ends. */
const BUILD_TIMEOUT_MS = 180_000;
const DESTROY_TIMEOUT_MS = 60_000;
const ANSWER_TIMEOUT_MS = 30_000;

export function builderClient(peer: RpcPeer): Builder {
  const ask = async <S extends z.core.$ZodType>(
    method: keyof typeof builderMethods,
    answer: S,
    params: object = {},
    timeoutMs = ANSWER_TIMEOUT_MS,
  ): Promise<z.output<S>> => {
    const parsed = z.safeParse(answer, await peer.call(method, params, timeoutMs));
    if (!parsed.success) throw new RpcError('internal', `Builder's answer to ${method} makes no sense`);
    return parsed.data;
  };
  return {
    createGuest: (spec) => ask('guest.create', answers.built, spec, BUILD_TIMEOUT_MS),
    startDeviceModel: async (of) => void (await ask('guest.startDeviceModel', answers.done, { domid: of })),
    unpause: async (of) => void (await ask('guest.unpause', answers.done, { domid: of })),
    pause: async (of) => void (await ask('guest.pause', answers.done, { domid: of })),
    pressPowerButton: async (of) => void (await ask('guest.powerButton', answers.done, { domid: of })),
    reset: async (of) => void (await ask('guest.reset', answers.done, { domid: of })),
    destroy: async (of) => void (await ask('guest.destroy', answers.done, { domid: of }, DESTROY_TIMEOUT_MS)),
    drivers: async () => (await ask('drivers.list', answers.drivers)).drivers,
    services: async () => (await ask('services.list', answers.services)).services,
    trustRecords: async () => (await ask('trust.list', answers.records)).records,
    shutdownHost: async () => void (await ask('host.shutdown', answers.done)),
  };
}
