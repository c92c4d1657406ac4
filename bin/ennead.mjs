#!/usr/bin/env node
/** `npx ennead …` */
import { run } from './run.mjs';

await run('src/cli/main.ts', process.argv.slice(2));
