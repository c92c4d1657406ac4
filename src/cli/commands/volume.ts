/** Volumes: the disks of guests, kept by BlkBack. */
import { Argument, type Command } from 'commander';
import { volumeName } from '../../contracts/volumes.ts';
import type { CliEnvironment } from '../environment.ts';
import { CliError } from '../exit-codes.ts';
import { parseSize, sizeText, volumeTable } from '../text.ts';
import { LONG_CALL_MS, withToolstack } from '../toolstack-client.ts';
import { exportVolume, importVolume, type Progress } from '../transfer.ts';
import { examples, json, type Output, print } from './output.ts';

const SECTOR_BYTES = 512;

const nameArgument = (description: string): Argument =>
  new Argument('<name>', description).argParser((name) => {
    if (volumeName.safeParse(name).success) return name;
    throw new CliError(
      'usage',
      `${name} cannot be the name of a volume: letters, digits, dots, dashes and underscores can`,
    );
  });

export function addVolumeCommands(program: Command, environment: CliEnvironment): void {
  const volume = program.command('volume').description('disks of guests');
  addKeeping(volume, environment);
  addTransfers(volume, environment);
}

function addKeeping(volume: Command, environment: CliEnvironment): void {
  volume
    .command('list')
    .description('show the volumes and how much room is left')
    .addOption(json())
    .addHelpText('after', examples('ennead volume list', 'ennead volume list --json'))
    .action(async (output: Output) => {
      const list = await withToolstack(environment, (toolstack) => toolstack.call('volume.list', {}, LONG_CALL_MS));
      print(environment, output, list, () => `${volumeTable(list.volumes)}${sizeText(list.freeBytes)} free\n`);
    });
  volume
    .command('create')
    .description('make an empty volume')
    .addArgument(nameArgument('the new volume'))
    .argument('<size>', 'in bytes, or with K, M, G or T')
    .addOption(json())
    .addHelpText('after', examples('ennead volume create data 4G'))
    .action(async (name: string, size: string, output: Output) => {
      const bytes = volumeSize(size);
      await withToolstack(environment, (toolstack) => toolstack.call('volume.create', { name, bytes }, LONG_CALL_MS));
      print(environment, output, { name, bytes }, () => `volume ${name} is made: ${sizeText(bytes)}\n`);
    });
  volume
    .command('delete')
    .description('delete a volume and what is on it')
    .addArgument(nameArgument('the volume'))
    .addOption(json())
    .addHelpText('after', examples('ennead volume delete data'))
    .action(async (name: string, output: Output) => {
      await withToolstack(environment, (toolstack) => toolstack.call('volume.delete', { name }, LONG_CALL_MS));
      print(environment, output, { name }, () => `volume ${name} is deleted\n`);
    });
}

function volumeSize(text: string): number {
  const bytes = parseSize(text);
  if (bytes === null || bytes === 0 || bytes % SECTOR_BYTES !== 0)
    throw new CliError(
      'usage',
      `${text} is not the size of a volume: a multiple of ${SECTOR_BYTES} bytes, such as 512M or 4G`,
    );
  return bytes;
}

function addTransfers(volume: Command, environment: CliEnvironment): void {
  const { openSession } = environment;
  volume
    .command('import')
    .description('make a volume from a raw disk image')
    .addArgument(nameArgument('the new volume'))
    .argument('<file>', 'the image')
    .addOption(json())
    .addHelpText('after', examples('ennead volume import root debian.raw'))
    .action(async (name: string, file: string, output: Output) => {
      const bytes = await importVolume(openSession, name, file, progressOf(environment, `importing ${name}`));
      print(environment, output, { name, bytes }, () => `volume ${name} is imported: ${sizeText(bytes)}\n`);
    });
  volume
    .command('export')
    .description('copy a volume into a new file')
    .addArgument(nameArgument('the volume'))
    .argument('<file>', 'the image; it must not exist')
    .addOption(json())
    .addHelpText('after', examples('ennead volume export root backup.raw'))
    .action(async (name: string, file: string, output: Output) => {
      const bytes = await exportVolume(openSession, name, file, progressOf(environment, `exporting ${name}`));
      print(environment, output, { name, bytes }, () => `volume ${name} is exported to ${file}: ${sizeText(bytes)}\n`);
    });
}

/** One line that is drawn again, where there is a terminal. */
function progressOf({ errorIsTerminal, error }: CliEnvironment, what: string): Progress {
  if (!errorIsTerminal) return () => {};
  let shown = '';
  return (done, total) => {
    const text = `${what}: ${Math.floor((done / total) * 100)}% of ${sizeText(total)}`;
    if (text !== shown) error(`\r${text}${done >= total ? '\n' : ''}`);
    shown = text;
  };
}
