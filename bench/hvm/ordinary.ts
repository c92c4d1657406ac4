/** An ordinary domain 0 on the same Xen and the same virtual host: Debian's xl starts Debian's QEMU, as a process beside itself. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { freeLoopbackPort, killQemu, spawnQemu } from '../../src/host/host.ts';
import { hostDirectory } from '../../src/host/host-directory.ts';
import { MACHINE } from '../temporary-host.ts';
import { GUEST_NAME } from './plan.ts';
import { RemoteShell, sshCommand } from './remote-shell.ts';
import { SerialMarks } from './serial-marks.ts';
import { cardAddress, type Side } from './side.ts';

const run = promisify(execFile);

const MEMORY_MIB = 512;
const BOOT_MS = 240_000;
const READY = /domain 0 is ready/;
const KIB_PER_MIB = 1024;

export interface OrdinaryImages {
  readonly xen: string;
  readonly kernel: string;
  readonly initrd: string;
  readonly disk: string;
}

/** In the host's folder that ENNEAD_HOST_DIR names. */
export async function bootOrdinary(images: OrdinaryImages, signal: AbortSignal): Promise<Side> {
  const directory = hostDirectory();
  await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', directory.identity]);
  await run('cp', ['--sparse=always', images.disk, directory.disk]);
  const [, key] = (await readFile(`${directory.identity}.pub`, 'utf8')).split(' ');
  const sshPort = await freeLoopbackPort();
  const pid = await spawnQemu(directory, images, {
    ...MACHINE,
    sshPort,
    // Nobody makes another hardware domain. Of an option that is given twice Xen takes the last.
    xenArguments: [
      ...['hardware_dom=0', 'flask=disabled', `dom0_max_vcpus=${MACHINE.cpus}`],
      `dom0_mem=${MEMORY_MIB}M,max:${MEMORY_MIB}M`,
    ],
    kernelArguments: ['console=hvc0', 'quiet', 'root=/dev/sda', 'rootfstype=ext4', 'rw', `bench.key=${key}`],
  });
  const serial = new SerialMarks(directory.serialLog);
  const end = async (): Promise<void> => {
    await serial.close();
    await killQemu(directory, pid);
  };
  try {
    await serial.heard(READY, BOOT_MS, signal);
    return side(serial, await RemoteShell.open(sshCommand(directory, sshPort)), end);
  } catch (error) {
    await end();
    throw error;
  }
}

function side(serial: SerialMarks, shell: RemoteShell, end: () => Promise<void>): Side {
  return {
    serial,
    create: (port) =>
      shell.run(`xl create /etc/xen/bench.cfg 'vif=["mac=${cardAddress(port)},model=e1000,bridge=xenbr0"]'`),
    destroy: () => shell.run(`xl destroy ${GUEST_NAME}`),
    async qemuMib() {
      // The other one serves the disks of paravirtual guests.
      const text = await shell.run(
        `grep VmRSS /proc/$(xenstore-read /local/domain/$(xl domid ${GUEST_NAME})/image/device-model-pid)/status`,
      );
      return Number(/VmRSS:\s*(\d+) kB/.exec(text)?.[1]) / KIB_PER_MIB;
    },
    async end() {
      await shell.close();
      await end();
    },
  };
}
