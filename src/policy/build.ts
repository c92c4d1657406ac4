/** The policy as it goes into an image: generated, compiled, and judged by the never rules. */
import { rmSync } from 'node:fs';
import type { Manifest } from '../kit/manifest.ts';
import { compilePolicy, PolicyError } from './compile.ts';
import { describeAllowed, readCompiledPolicy } from './compiled-policy.ts';
import type { ClassFiles } from './flask-classes.ts';
import { generatePolicy } from './generate.ts';
import { violations } from './never.ts';

/** Leaves no file behind when a never rule is broken. */
export function buildPolicy(manifests: readonly Manifest[], classFiles: ClassFiles, outFile: string): void {
  compilePolicy(generatePolicy(manifests, classFiles), outFile);
  const broken = violations(readCompiledPolicy(outFile));
  if (broken.length === 0) return;
  rmSync(outFile);
  throw new PolicyError(
    broken.map(({ claim, allowed }) => `never: ${claim}, but ${describeAllowed(allowed)}`).join('\n'),
  );
}
