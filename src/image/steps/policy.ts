/** The FLASK policy, from the manifests and the hypervisor's own class files. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { compilePolicy } from '../../policy/compile.ts';
import { readClassFiles } from '../../policy/flask-classes.ts';
import { generatePolicy } from '../../policy/generate.ts';
import { manifests } from '../../policy/manifests.ts';
import { digestBytes, digestTree } from '../digest.ts';
import type { Scope, Step } from '../step.ts';
import { xen } from './xen.ts';

const POLICY = join(import.meta.dirname, '..', '..', 'policy');

const policyText = (scope: Scope): string => generatePolicy(manifests, readClassFiles(scope.artifact(xen).dir));

export const policy: Step = {
  name: 'policy',
  summary: 'the FLASK policy made from the manifests',
  lane: 'cpu',
  needs: [xen],
  packages: ['checkpolicy'],
  inputs: async (scope) => ({
    text: digestBytes(policyText(scope)),
    compiler: await digestTree(POLICY, (path) => path === 'compile.ts'),
  }),
  async build(job) {
    const text = policyText(job);
    await writeFile(join(job.outDir, 'policy.conf'), text);
    compilePolicy(text, join(job.outDir, 'xenpolicy.bin'));
    return { version: digestBytes(text).slice(0, 12) };
  },
};
