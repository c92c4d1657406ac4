/**
 * The folder of one virtual host: its disk, keys, serial log, and the sockets of its serial line and of QEMU's control.
 * `ENNEAD_HOST_DIR` overrides the place; nothing in it is needed to build images.
 */
import { homedir } from 'node:os';
import { join } from 'node:path';

export interface HostDirectory {
  readonly path: string;
  readonly disk: string;
  readonly bootstrapperInitrd: string;
  readonly serial: string;
  readonly serialLog: string;
  readonly qemuLog: string;
  readonly monitor: string;
  readonly state: string;
  /** The operator's key, and what is known of the host's. */
  readonly identity: string;
  readonly knownHosts: string;
  readonly sshHostKey: string;
  /** Kernels (`*.elf`) and ramdisks (`*.cpio`) that the operator adds to Builder's list of known-good images. */
  readonly guestImages: string;
}

export function hostDirectory(name = 'default'): HostDirectory {
  const data = process.env.XDG_DATA_HOME ?? join(homedir(), '.local', 'share');
  return hostDirectoryAt(process.env.ENNEAD_HOST_DIR ?? join(data, 'ennead', 'hosts', name));
}

export function hostDirectoryAt(path: string): HostDirectory {
  const at = (file: string) => join(path, file);
  return {
    path,
    disk: at('disk.raw'),
    bootstrapperInitrd: at('bootstrapper.cpio'),
    serial: at('serial.sock'),
    serialLog: at('serial.log'),
    qemuLog: at('qemu.log'),
    monitor: at('monitor.sock'),
    state: at('state.json'),
    identity: at('id_ed25519'),
    knownHosts: at('known_hosts'),
    sshHostKey: at('ssh_host_key'),
    guestImages: at('guest-images'),
  };
}
