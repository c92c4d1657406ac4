/** The block devices and network cards that a driver VM finds in sysfs. */
import type { Clock, Files, Uevents } from '../xen/ports.ts';
import { PortError } from '../xen/ports.ts';

/** The names in a sysfs class folder that have a device of their own behind them: no loop device, bridge, or Xen front or back end. */
export function hardware(files: Files, folder: '/sys/block' | '/sys/class/net'): string[] {
  return files.list(folder).filter((name) => {
    const subsystem = `${folder}/${name}/device/subsystem`;
    return files.stat(subsystem) !== null && !baseName(files.readlink(subsystem)).startsWith('xen');
  });
}

const baseName = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

/** Drivers find most devices before the first process runs, but need not: looks again after each of Linux's announcements. */
export function waitForHardware<T>(
  ports: { readonly uevents: Uevents; readonly clock: Clock },
  find: () => T | null,
  what: string,
  timeoutMs: number,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const attempt = (): void => {
      try {
        const found = find();
        if (found === null) return;
        end();
        resolve(found);
      } catch (error) {
        end();
        reject(error as Error);
      }
    };
    const stopListening = ports.uevents.listen(attempt);
    const cancel = ports.clock.after(timeoutMs, () => {
      end();
      reject(new PortError('ENODEV', 'waitForHardware', `no ${what} in ${timeoutMs} ms`));
    });
    const end = (): void => {
      cancel();
      stopListening();
    };
    attempt();
  });
}
