/**
 * What the hypervisor checks: its classes, their permissions and its initial SIDs, in the order of its own source files.
 * A policy is compiled against exactly one hypervisor's files.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface ClassFiles {
  /** xen/xsm/flask/policy/security_classes */
  readonly securityClasses: string;
  /** xen/xsm/flask/policy/access_vectors */
  readonly accessVectors: string;
  /** xen/xsm/flask/policy/initial_sids */
  readonly initialSids: string;
}

export interface FlaskClasses {
  readonly permissions: ReadonlyMap<string, readonly string[]>;
  readonly initialSids: readonly string[];
}

/** `directory` is xen/xsm/flask/policy of the hypervisor's source tree. */
export function readClassFiles(directory: string): ClassFiles {
  const read = (name: string) => readFileSync(join(directory, name), 'utf8');
  return {
    securityClasses: read('security_classes'),
    accessVectors: read('access_vectors'),
    initialSids: read('initial_sids'),
  };
}

const withoutComments = (text: string) => text.replace(/#.*$/gm, '');

function names(text: string, keyword: string, file: string): string[] {
  const words = withoutComments(text).split(/\s+/).filter(Boolean);
  const found: string[] = [];
  for (let at = 0; at < words.length; at += 2) {
    const name = words[at + 1];
    if (words[at] !== keyword || name === undefined)
      throw new Error(`${file}: expected "${keyword} <name>" at ${words[at]}`);
    found.push(name);
  }
  return found;
}

export function parseClassFiles(files: ClassFiles): FlaskClasses {
  const classes = names(files.securityClasses, 'class', 'security_classes');
  const vectors = new Map<string, readonly string[]>();
  for (const [, name, body] of withoutComments(files.accessVectors).matchAll(/class\s+(\w+)\s*\{([^}]*)\}/g))
    vectors.set(name!, body!.split(/\s+/).filter(Boolean));
  const missing = classes.filter((name) => !vectors.get(name)?.length);
  if (missing.length > 0) throw new Error(`access_vectors: no permissions for class ${missing.join(', ')}`);
  return {
    permissions: new Map(classes.map((name) => [name, vectors.get(name)!])),
    initialSids: names(files.initialSids, 'sid', 'initial_sids'),
  };
}
