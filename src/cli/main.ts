/** `ennead`: see cli.ts. Here are only its real surroundings. */
import { runCli } from './cli.ts';
import { realEnvironment } from './real-environment.ts';

process.exitCode = await runCli(process.argv.slice(2), realEnvironment());
