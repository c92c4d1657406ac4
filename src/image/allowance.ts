/**
 * What may go into a service's program. The dependency rules of the repository say the same of imports; here it is
 * checked on what the bundler really took, so that no path around the rules leads into a service VM.
 */
import type { ServiceName } from '../kit/manifest.ts';

/** What every program may have. The in-memory Xen is for tests. */
const BELOW = [/^src\/(wire|contracts|kit)\//, /^src\/xen\/(?!memory\/)/, /^node_modules\/zod\//];

/** Of a service's own folder. */
export const serviceFolder = (service: ServiceName): RegExp => new RegExp(`^src/services/${service}/`);

/** What a program has beside what is below it and in its own folders. Paths are relative to the repository, as the bundler reports its inputs. */
export function forbiddenInputs(folders: readonly RegExp[], inputs: readonly string[]): string[] {
  const allowed = [...BELOW, ...folders];
  return inputs.filter((input) => /\.test\.ts$/.test(input) || !allowed.some((pattern) => pattern.test(input)));
}
