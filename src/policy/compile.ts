/** checkpolicy, Debian's compiler for FLASK policies: text → what Xen loads, and back to rules for inspection. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The newest binary format that Xen 4.17 reads. @source xen/xsm/flask/include/security.h POLICYDB_VERSION_MAX */
const POLICY_VERSION = 30;

export class PolicyError extends Error {}

function checkpolicy(args: readonly string[]): string {
  try {
    return execFileSync('checkpolicy', args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      maxBuffer: 16 << 20,
    });
  } catch (cause) {
    const { code, stderr } = cause as { code?: string; stderr?: string };
    const what =
      code === 'ENOENT' ? 'checkpolicy is not installed (Debian package checkpolicy)' : `checkpolicy: ${stderr}`;
    throw new PolicyError(what, { cause });
  }
}

function inScratch<T>(use: (directory: string) => T): T {
  const directory = mkdtempSync(join(tmpdir(), 'ennead-policy-'));
  try {
    return use(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Unknown classes and permissions are denied: a hypervisor newer than the policy fails closed. */
export function compilePolicy(text: string, outFile: string): void {
  inScratch((directory) => {
    const source = join(directory, 'policy.conf');
    writeFileSync(source, text);
    checkpolicy(['-t', 'xen', '-U', 'deny', '-c', String(POLICY_VERSION), '-o', outFile, source]);
  });
}

/** The rules that a compiled policy really holds, as text. */
export function decompilePolicy(binaryFile: string): string {
  return inScratch((directory) => {
    const source = join(directory, 'policy.conf');
    checkpolicy(['-b', '-F', '-t', 'xen', '-o', source, binaryFile]);
    return readFileSync(source, 'utf8');
  });
}
