/** The images that take seconds, built once more and compared byte for byte. `ennead image verify` does it for all. */
import { formatVerification, verifiableSteps, verifyImages } from '../src/image/build.ts';

/** Minutes to build, or gigabytes to compare. */
const LEFT_OUT = /^(xen|kernel-.*|.*-disk)$/;

const verification = await verifyImages(verifiableSteps().filter(({ name }) => !LEFT_OUT.test(name)));
process.stdout.write(formatVerification(verification));
if (verification.keptIn !== null) {
  console.error(`a second build came out otherwise; it is in ${verification.keptIn}`);
  process.exitCode = 1;
}
