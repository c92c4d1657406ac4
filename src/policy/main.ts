/** `main.ts docs` writes docs/policy.md; `main.ts build CLASSES OUT` compiles the policy against a hypervisor's xen/xsm/flask/policy. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { compilePolicy } from './compile.ts';
import { policyDocument } from './document.ts';
import { readClassFiles } from './flask-classes.ts';
import { generatePolicy } from './generate.ts';
import { manifests } from './manifests.ts';

const documentPath = fileURLToPath(new URL('../../docs/policy.md', import.meta.url));

const [command, classDirectory, outFile] = process.argv.slice(2);
if (command === 'docs') writeFileSync(documentPath, policyDocument(manifests));
else if (command === 'build' && classDirectory && outFile)
  compilePolicy(generatePolicy(manifests, readClassFiles(classDirectory)), outFile);
else {
  process.stderr.write('usage: main.ts docs | main.ts build CLASS-DIRECTORY OUT-FILE\n');
  process.exitCode = 2;
}
