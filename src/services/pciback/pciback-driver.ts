/** Linux's xen-pciback: it keeps a device for itself until a driver VM gets it, and resets it when it comes back. */
import { type Files, PortError } from '../../xen/ports.ts';
import { PCI_DEVICES } from './sysfs.ts';

const DRIVER = '/sys/bus/pci/drivers/pciback';

export function keepDevice(files: Pick<Files, 'write' | 'stat' | 'readlink'>, bdf: string): void {
  const driver = `${PCI_DEVICES}/${bdf}/driver`;
  if (files.stat(driver)) {
    // An earlier process of this VM did it. The kernel has no other driver for such devices.
    if (files.readlink(driver).endsWith('/pciback')) return;
    throw new PortError('EBUSY', 'keepDevice', `${bdf} has the driver ${files.readlink(driver)}`);
  }
  write(files, `${PCI_DEVICES}/${bdf}/driver_override`, 'pciback');
  write(files, `${DRIVER}/bind`, bdf);
}

const write = (files: Pick<Files, 'write'>, path: string, value: string): void =>
  files.write(path, new TextEncoder().encode(value));
