/** checkpolicy, Debian's compiler for FLASK policies: text → the binary that Xen loads, and back to text. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The newest binary format that Xen 4.17 reads. @source xen/xsm/flask/include/security.h POLICYDB_VERSION_MAX */
const POLICY_VERSION = 30;

export class PolicyError extends Error {}

function checkpolicy(args: readonly string[]): void {
  try {
    execFileSync('checkpolicy', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (cause) {
    const { code, stderr } = cause as { code?: string; stderr?: string };
    const missing = 'checkpolicy is not installed (Debian package checkpolicy)';
    throw new PolicyError(code === 'ENOENT' ? missing : `checkpolicy: ${stderr}`, { cause });
  }
}

/** Runs checkpolicy from one scratch file to another. */
function convert(input: Uint8Array | string, args: readonly string[]): Buffer {
  const scratch = mkdtempSync(join(tmpdir(), 'ennead-policy-'));
  try {
    const [from, to] = [join(scratch, 'in'), join(scratch, 'out')];
    writeFileSync(from, input);
    checkpolicy(['-t', 'xen', ...args, '-o', to, from]);
    return readFileSync(to);
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

/** Unknown classes and permissions are denied: a hypervisor newer than the policy fails closed. */
export const assemble = (text: string): Uint8Array => convert(text, ['-U', 'deny', '-c', String(POLICY_VERSION)]);

/** The rules that a binary policy really holds, as text. */
export const disassemble = (binary: Uint8Array): string => convert(binary, ['-b', '-F']).toString('utf8');
