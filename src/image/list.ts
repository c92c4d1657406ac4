/** What `ennead image list` shows: every artifact, and whether it is there. Builds nothing and installs nothing. */
import { findCached } from './execution.ts';
import { steps } from './graph.ts';
import { installedVersions, toolboxOf } from './packages.ts';
import { defaultCacheDir, Store } from './store.ts';

export interface ListedImage {
  readonly name: string;
  readonly summary: string;
  readonly cached: boolean;
  readonly version?: string;
  /** Of all files together. */
  readonly sizeBytes?: number;
  /** Of the file, or of the list of files where there are several. Absent for the sparse disk of the host. */
  readonly sha256?: string;
  readonly path?: string;
}

export async function listImages(cacheDir = defaultCacheDir()): Promise<ListedImage[]> {
  const store = new Store(cacheDir);
  const found = await findCached(steps, store, toolboxOf(await installedVersions()));
  return steps.map((step) => {
    const artifact = found.get(step);
    const { name, summary } = step;
    if (!artifact) return { name, summary, cached: false };
    const files = Object.entries(artifact.files);
    const [only] = files;
    const single = files.length === 1 ? only : undefined;
    const sha256 = single ? single[1].sha256 : artifact.digest;
    return {
      name,
      summary,
      cached: true,
      version: artifact.version,
      sizeBytes: files.reduce((sum, [, file]) => sum + file.sizeBytes, 0),
      ...(sha256 && { sha256 }),
      path: single ? artifact.path(single[0]) : artifact.dir,
    };
  });
}

export function formatImageList(images: readonly ListedImage[]): string {
  const rows = images.map((image) => [
    image.name,
    image.version ?? '-',
    image.sizeBytes === undefined ? '-' : formatSize(image.sizeBytes),
    image.sha256?.slice(0, 16) ?? '-',
    image.cached ? 'cached' : 'not built',
    image.path ?? '-',
  ]);
  const header = ['NAME', 'VERSION', 'SIZE', 'SHA256', 'STATE', 'PATH'];
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]!.length)));
  const format = (row: readonly string[]): string =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd();
  return `${[header, ...rows].map(format).join('\n')}\n`;
}

function formatSize(sizeBytes: number): string {
  return sizeBytes < 1 << 20 ? `${Math.ceil(sizeBytes / 1024)} KiB` : `${(sizeBytes / (1 << 20)).toFixed(1)} MiB`;
}
