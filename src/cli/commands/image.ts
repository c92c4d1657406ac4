/** The images of which a host is made. */
import type { Command } from 'commander';
import type { CliEnvironment } from '../environment.ts';
import { failingAsImage } from '../failures.ts';
import { examples, json, type Output, print } from './output.ts';

export function addImageCommands(program: Command, environment: CliEnvironment): void {
  const image = program.command('image').description('the images of which a host is made');
  image
    .command('build')
    .description('build what is missing')
    .option('--refresh', "take newer sources from Debian's archive, if there are any")
    .addOption(json())
    .addHelpText('after', examples('ennead image build', 'ennead image build --refresh'))
    .action(async ({ refresh, ...output }: Output & { refresh?: true }) => {
      // Loaded when needed: the builder brings compilers along.
      const { buildImages, formatImageList, listImages } = await import('../../image/build.ts');
      const { billOfMaterials, allCached } = await failingAsImage(buildImages({ refresh: refresh ?? false }));
      const images = await listImages();
      print(environment, output, { images, billOfMaterials, allCached }, () => formatImageList(images));
    });
  image
    .command('list')
    .description('show every image: version, size, hash')
    .addOption(json())
    .addHelpText('after', examples('ennead image list', 'ennead image list --json'))
    .action(async (output: Output) => {
      const { formatImageList, listImages } = await import('../../image/build.ts');
      const images = await listImages();
      print(environment, output, images, () => formatImageList(images));
    });
}
