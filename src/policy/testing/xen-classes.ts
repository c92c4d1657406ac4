/** The class files of Xen 4.17 for tests that run without the hypervisor's source: what they declare, without their comments. */
import { readFileSync } from 'node:fs';
import type { ClassFiles } from '../flask-classes.ts';

interface Recorded {
  readonly classes: Readonly<Record<string, string>>;
  readonly initialSids: string;
}

const recorded = JSON.parse(readFileSync(new URL('xen-4.17.json', import.meta.url), 'utf8')) as Recorded;

const declare = (keyword: string, names: readonly string[]) => names.map((name) => `${keyword} ${name}\n`).join('');

export const xenClassFiles: ClassFiles = {
  securityClasses: declare('class', Object.keys(recorded.classes)),
  accessVectors: Object.entries(recorded.classes)
    .map(([name, permissions]) => `class ${name}\n{\n# comment\n${permissions.replaceAll(' ', '\n')}\n}\n`)
    .join(''),
  initialSids: declare('sid', recorded.initialSids.split(' ')),
};
