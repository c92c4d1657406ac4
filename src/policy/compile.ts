/** The policy as it goes into an image: compiled, and judged by the never rules as Xen would read it. */
import { writeFileSync } from 'node:fs';
import { assemble, PolicyError } from './checkpolicy.ts';
import { describeAllowed, readCompiledPolicy } from './compiled-policy.ts';
import { violations } from './never.ts';

/** Writes nothing when a never rule is broken. */
export function compilePolicy(text: string, outFile: string): void {
  const binary = assemble(text);
  const broken = violations(readCompiledPolicy(binary));
  if (broken.length > 0)
    throw new PolicyError(
      broken.map(({ claim, allowed }) => `never: ${claim}, but ${describeAllowed(allowed)}`).join('\n'),
    );
  writeFileSync(outFile, binary);
}
