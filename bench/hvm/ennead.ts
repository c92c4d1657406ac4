/** Ennead's host: the guest, and a Qemu VM that emulates its hardware. */
import { LONG_CALL_MS, type ToolstackClient, withToolstack } from '../../src/cli/toolstack-client.ts';
import type { GuestConfig } from '../../src/contracts/toolstack.ts';
import { hostImages, killHost, startHost } from '../../src/host/host.ts';
import { hostDirectory } from '../../src/host/host-directory.ts';
import type { ImageSet } from '../../src/image/build.ts';
import { access } from '../operator.ts';
import { MACHINE } from '../temporary-host.ts';
import { GUEST_MEMORY_MIB, GUEST_NAME } from './plan.ts';
import { SerialMarks } from './serial-marks.ts';
import { cardAddress, type Side } from './side.ts';

const guest = (port: number): GuestConfig => ({
  name: GUEST_NAME,
  memoryMib: GUEST_MEMORY_MIB,
  vcpus: 1,
  boot: {
    type: 'hvm',
    firmware: 'seabios',
    videoMib: 16,
    acpi: true,
    apic: true,
    hpet: true,
    clockOffsetSeconds: 0,
    machine: {
      boot: 'c',
      vga: 'stdvga',
      usbTablet: false,
      serial: false,
      xenPlatform: false,
      drives: [{ vdev: 'sda', volume: GUEST_NAME, access: 'w', cdrom: false, format: 'raw' }],
      cards: [{ mac: cardAddress(port), model: 'e1000' }],
    },
  },
  disks: [],
  vifs: [],
  onPoweroff: 'destroy',
  onReboot: 'destroy',
  onCrash: 'destroy',
});

/** In the host's folder that ENNEAD_HOST_DIR names. */
export async function bootEnnead(images: ImageSet, disk: string, signal: AbortSignal): Promise<Side> {
  await startHost({ images: { ...hostImages(images), disk }, ...MACHINE, signal });
  const serial = new SerialMarks(hostDirectory().serialLog);
  const end = async (): Promise<void> => {
    await serial.close();
    await killHost();
  };
  const { toolstack, close } = await openToolstack().catch(async (error) => {
    await end();
    throw error;
  });
  const named = { guest: GUEST_NAME };
  return {
    serial,
    create: (port) => toolstack.call('guest.create', guest(port), LONG_CALL_MS),
    destroy: () => toolstack.call('guest.destroy', named, LONG_CALL_MS),
    async qemuMib() {
      const { domains } = await toolstack.call('guest.list', {});
      return domains.find(({ name }) => name === `${GUEST_NAME}-dm`)?.memoryMib ?? Number.NaN;
    },
    async end() {
      await close();
      await end();
    },
  };
}

/** One session for all requests, as an operator's shell on the other side. */
async function openToolstack(): Promise<{ toolstack: ToolstackClient; close: () => Promise<void> }> {
  let end: () => void = () => undefined;
  const wanted = new Promise<void>((resolve) => {
    end = resolve;
  });
  let session: Promise<void> = Promise.resolve();
  const toolstack = await new Promise<ToolstackClient>((resolve, reject) => {
    session = withToolstack(access, (client) => {
      resolve(client);
      return wanted;
    });
    session.catch(reject);
  });
  return {
    toolstack,
    close: () => {
      end();
      return session;
    },
  };
}
