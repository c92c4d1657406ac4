/** The images of which a host is made. */
import type { Command } from 'commander';
import type { CliEnvironment } from '../environment.ts';
import { CliError } from '../exit-codes.ts';
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
  image
    .command('verify')
    .description('build images once more, beside the cache, and compare every byte')
    .argument(
      '[IMAGE...]',
      "names, as in 'ennead image list'; all, when none is given: that takes as long as building all",
    )
    .addOption(json())
    .addHelpText('after', examples('ennead image verify ennead-rt policy', 'ennead image verify'))
    .action(async (names: string[], output: Output) => {
      const { formatVerification, verifiableSteps, verifyImages } = await import('../../image/build.ts');
      const steps = chosen(names, verifiableSteps());
      const verification = await failingAsImage(verifyImages(steps));
      print(environment, output, verification, () => formatVerification(verification));
      if (verification.keptIn !== null)
        throw new CliError('image-differs', `the second build came out otherwise; it is in ${verification.keptIn}`);
    });
}

function chosen<T extends { readonly name: string }>(names: readonly string[], all: readonly T[]): readonly T[] {
  const unknown = names.find((name) => !all.some((step) => step.name === name));
  if (unknown !== undefined)
    throw new CliError('usage', `no image ${unknown}; there are ${all.map(({ name }) => name).join(', ')}`);
  return names.length === 0 ? all : all.filter(({ name }) => names.includes(name));
}
