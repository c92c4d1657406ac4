/** `npx tsx src/cli/xl-config/generate.ts [FOLDER]`: makes the parser from its grammar. Its result is committed; a test compares the two. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

const HERE = import.meta.dirname;
export const generatedFiles = ['xl-config.generated.js', 'xl-config.generated.d.ts'];

export function generateParser(folder: string): void {
  const peggy = join(HERE, '..', '..', '..', 'node_modules', '.bin', 'peggy');
  const options = [
    '--extra-options-file',
    join(HERE, 'peggy.json'),
    '--output',
    join(folder, 'xl-config.generated.js'),
  ];
  execFileSync(peggy, [...options, join(HERE, 'xl-config.peggy')], { stdio: 'inherit' });
}

if (process.argv[1] === import.meta.filename) generateParser(process.argv[2] ?? HERE);
