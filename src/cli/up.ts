/** `npm start`: see up/bring-up.ts. Here are only its real surroundings. */
import { join } from 'node:path';
import { hostImages, killHost, startHost } from '../host/host.ts';
import { buildImages } from '../image/build.ts';
import { report } from './cli.ts';
import { CliError } from './exit-codes.ts';
import { failingAsHost, realEnvironment } from './real-environment.ts';
import { bringUp, type UpPorts } from './up/bring-up.ts';

const GUEST_FILE = join(import.meta.dirname, '..', '..', 'examples', 'debian.cfg');
/** As shells report a program that a signal ended. */
const EXIT_INTERRUPTED = 130;

const environment = realEnvironment();
const ports: UpPorts = {
  ...environment,
  guestFile: GUEST_FILE,
  nowMs: () => performance.now(),
  async build() {
    const images = await buildImages().catch((error: Error) => {
      throw new CliError('image-failed', error.message);
    });
    return { guestDisk: images.guestDisk, start: (say) => startUninterrupted(hostImages(images), say) };
  },
};

/** A host that has half booted when the operator presses Ctrl+C is switched off again. */
async function startUninterrupted(images: ReturnType<typeof hostImages>, say: (line: string) => void): Promise<void> {
  const interrupt = (): void => {
    environment.error('ennead: interrupted; the host is switched off\n');
    void killHost().finally(() => process.exit(EXIT_INTERRUPTED));
  };
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  try {
    await failingAsHost(startHost({ images, onServiceLine: say }));
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
}

try {
  await bringUp(ports);
} catch (error) {
  process.exitCode = report(error, environment);
}
