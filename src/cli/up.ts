/** `npm start`: see up/bring-up.ts. Here are only its real surroundings. */
import { join } from 'node:path';
import { report } from './cli.ts';
import { realEnvironment } from './real-environment.ts';
import { bringUp } from './up/bring-up.ts';

const GUEST_FILE = join(import.meta.dirname, '..', '..', 'examples', 'debian.cfg');

const environment = realEnvironment();
try {
  await bringUp({ ...environment, guestFile: GUEST_FILE });
} catch (error) {
  process.exitCode = report(error, environment);
}
