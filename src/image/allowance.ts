/**
 * What may go into a service's program. The dependency rules of the repository say the same of imports; here it is
 * checked on what the bundler really took, so that no path around the rules leads into a service VM.
 */
import type { ServiceName } from '../kit/manifest.ts';

/** Paths relative to the repository, as the bundler reports its inputs. */
export function forbiddenInputs(service: ServiceName, inputs: readonly string[]): string[] {
  const allowed = [
    /^src\/(wire|contracts|kit)\//,
    // The in-memory Xen is for tests; a service VM has the real one.
    /^src\/xen\/(?!memory\/)/,
    new RegExp(`^src/services/${service}/`),
    /^node_modules\/zod\//,
  ];
  return inputs.filter((input) => /\.test\.ts$/.test(input) || !allowed.some((pattern) => pattern.test(input)));
}
