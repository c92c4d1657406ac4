#!/usr/bin/env node
/** `npx ennead-xenstored --socket PATH` */
import { run } from './run.mjs';

await run('src/xenstored/main.ts', process.argv.slice(2));
