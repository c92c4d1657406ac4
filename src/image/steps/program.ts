/** A service's programs: its TypeScript as one module each, compiled to QuickJS bytecode. */
import type { ServiceName } from '../../kit/manifest.ts';
import { serviceFolder } from '../allowance.ts';
import { compiling } from '../bundle.ts';
import type { Step } from '../step.ts';
import { runtime } from './runtime.ts';

/** `programs`: names of entry points beside main.ts, which becomes service.qbc. */
export function programStep(service: ServiceName, programs: readonly string[]): Step {
  const folder = `src/services/${service}`;
  const own = [
    { name: 'service', module: `${service}.js`, entry: `${folder}/main.ts` },
    ...programs.map((name) => ({ name, module: `${service}-${name}.js`, entry: `${folder}/${name}.ts` })),
  ];
  return {
    name: `program-${service}`,
    summary: `bytecode of ${service}`,
    lane: 'cpu',
    needs: [runtime],
    packages: [],
    ...compiling(own, [serviceFolder(service)], runtime),
  };
}
