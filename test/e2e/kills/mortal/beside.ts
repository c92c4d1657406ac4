/** To be imported before a service's own main.ts: starts the killer, so that the service can be killed while it starts, too. */
import * as rt from 'ennead:rt';
import { decodeBootParameters } from '../../../../src/contracts/boot-parameters.ts';
import { mountMissing } from '../../../../src/kit/mounts.ts';
import { files } from '../../../../src/xen/real/adapter.ts';
import { BELL } from '../plan.ts';

/** Under the name /init the program would supervise a second service. */
const KILLER = '/killer';
const CMDLINE_BYTES_MAX = 8192;
const STDERR = 2;

mountMissing(files);
if (rt.stat(KILLER) === null) rt.symlink('/init', KILLER);
const commandLine = new TextDecoder().decode(files.read('/proc/cmdline', CMDLINE_BYTES_MAX));
const { [BELL]: port = '' } = decodeBootParameters(commandLine);
rt.spawn({ argv: [KILLER, `${KILLER}.qbc`, String(rt.pid()), port], stderr: STDERR });
