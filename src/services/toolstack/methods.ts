/** What one session may ask, method by method. The table of src/contracts/toolstack.ts is complete here, or it does not compile. */
import type * as z from 'zod/mini';
import {
  bytesToText,
  type ToolstackAnswers,
  type ToolstackMethod,
  textToBytes,
  toolstackMethods,
} from '../../contracts/toolstack.ts';
import { RpcError, type RpcMethods, rpcMethod } from '../../kit/rpc.ts';
import type { GuestConsole } from './console.ts';
import { attachedDevices, domainRows, hostReport } from './host-report.ts';
import { StoreAccess } from './store-access.ts';
import type { Toolstack } from './toolstack.ts';
import { setXenstoreQuota, xenstoreQuota } from './xenstore-quota.ts';

type Notify = (method: string, params: object) => void;

type Handlers = {
  [M in ToolstackMethod]: (
    params: z.output<(typeof toolstackMethods)[M]>,
  ) => ToolstackAnswers[M] | Promise<ToolstackAnswers[M]>;
};

/** `close` ends what the session has begun. */
export function methodsFor(toolstack: Toolstack, notify: Notify): { methods: RpcMethods; close(): void } {
  const session = new ConsoleSession(notify);
  const store = new StoreAccess(toolstack.ports.xenstore, (path) => notify('xenstore.changed', { path }));
  const handlers: Handlers = {
    ...hostHandlers(toolstack),
    ...guestHandlers(toolstack),
    ...session.handlers(toolstack),
    ...storeHandlers(store, toolstack),
  };
  const close = (): void => {
    session.detach();
    store.close();
  };
  const methods = Object.entries(toolstackMethods).map(([name, schema]) => {
    const handler = handlers[name as ToolstackMethod] as (params: unknown) => unknown;
    return [name, rpcMethod(schema as z.core.$ZodType, handler)] as const;
  });
  return { methods: Object.fromEntries(methods), close };
}

const DONE = {};
const done = (task: Promise<void>): Promise<Record<string, never>> => task.then(() => DONE);

function guestHandlers(
  toolstack: Toolstack,
): Pick<Handlers, Extract<ToolstackMethod, `guest.${string}` | `media.${string}` | `volume.${string}`>> {
  const { guests, volumes, ports } = toolstack;
  return {
    'guest.list': async () => ({
      domains: domainRows(ports.domains.list(), await ports.builder.services(), guests.all()),
    }),
    'guest.create': (config) => toolstack.createGuest(config),
    'guest.shutdown': ({ guest, wait }) => done(guests.askToEnd(guest, 'poweroff', wait ?? false)),
    'guest.reboot': ({ guest, wait }) => done(guests.askToEnd(guest, 'reboot', wait ?? false)),
    'guest.destroy': ({ guest }) => done(guests.destroy(guest)),
    'guest.pause': ({ guest }) => done(guests.pause(guest)),
    'guest.unpause': ({ guest }) => done(guests.unpause(guest)),
    'guest.powerButton': ({ guest }) => done(guests.powerButton(guest)),
    'guest.reset': ({ guest }) => done(guests.reset(guest)),
    'guest.sysrq': ({ guest, letter }) => done(guests.sysrq(guest, letter)),
    'media.change': ({ guest, vdev, volume }) => done(toolstack.changeMedium(guest, vdev, volume)),
    'volume.list': () => volumes.list(),
    'volume.create': ({ name, bytes }) => done(volumes.create(name, bytes)),
    'volume.delete': ({ name }) => done(toolstack.deleteVolume(name)),
  };
}

function hostHandlers(
  toolstack: Toolstack,
): Pick<Handlers, Extract<ToolstackMethod, `host.${string}` | `${string}s.list` | 'trust.list'>> {
  const { ports, guests } = toolstack;
  return {
    'services.list': async () => ({ services: await ports.builder.services() }),
    'trust.list': async () => ({ records: await ports.builder.trustRecords() }),
    'host.info': async () => {
      const attached = await attachedDevices(ports.xenstore, await ports.builder.drivers());
      return hostReport(ports.host, ports.linuxVersion, guests.all().length, attached);
    },
    'host.messages': () => ({ text: ports.host.messages() }),
    'host.shutdown': () => done(toolstack.shutDownHost()),
  };
}

function storeHandlers(
  store: StoreAccess,
  { ports }: Toolstack,
): Pick<Handlers, Extract<ToolstackMethod, `xenstore.${string}`>> {
  return {
    'xenstore.quota': () => xenstoreQuota(ports.xenstore),
    'xenstore.setQuota': ({ name, value }) => done(setXenstoreQuota(ports.xenstore, name, value)),
    'xenstore.read': async ({ path }) => ({ value: await store.read(path) }),
    'xenstore.list': async ({ path }) => ({ names: await store.list(path) }),
    'xenstore.tree': ({ path, further }) => store.tree(path, further),
    'xenstore.write': ({ path, value }) => done(store.write(path, value)),
    'xenstore.remove': ({ path }) => done(store.remove(path)),
    'xenstore.chmod': ({ path, permissions, recursive }) => done(store.protect(path, permissions, recursive)),
    'xenstore.watch': ({ path }) => done(store.watch(path)),
  };
}

/** So that a backlog fits into messages even if every byte of it needs an escape of six. */
const OUTPUT_BYTES_MAX = 16 * 1024;

/** A session watches at most one console. */
class ConsoleSession {
  private attached: { console: GuestConsole; unwatch: () => void } | null = null;

  constructor(private readonly notify: Notify) {}

  handlers({ guests }: Toolstack): Pick<Handlers, 'console.attach' | 'console.input'> {
    return {
      'console.attach': ({ guest }) => {
        if (this.attached) throw new RpcError('busy', 'this session has a console already');
        const { name, console, record } = guests.find(guest);
        this.watch(console);
        return { name, domid: record?.domid ?? 0 };
      },
      'console.input': ({ data }) => {
        if (!this.attached) throw new RpcError('guest-state', 'this session has no console');
        if (!this.attached.console.write(textToBytes(data)))
          throw new RpcError('busy', 'the guest does not read its console; some of the input is lost');
        return {};
      },
    };
  }

  detach(): void {
    this.attached?.unwatch();
    this.attached = null;
  }

  private watch(console: GuestConsole): void {
    const unwatch = console.watch({
      output: (bytes) => this.output(bytes),
      ended: (reason) => {
        this.attached = null;
        this.notify('console.ended', { reason });
      },
    });
    this.attached = { console, unwatch };
  }

  private output(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += OUTPUT_BYTES_MAX)
      this.notify('console.output', { data: bytesToText(bytes.subarray(at, at + OUTPUT_BYTES_MAX)) });
  }
}
