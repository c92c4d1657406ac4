/** CycloneDX 1.5: every image with its hashes, and the Debian files that it was made from. @source cyclonedx.org/docs/1.5/json */
import { writeFile } from 'node:fs/promises';
import type { Artifact, Material } from './step.ts';

interface Component {
  readonly type: 'file';
  readonly 'bom-ref': string;
  readonly name: string;
  readonly version: string;
  readonly hashes?: readonly { readonly alg: 'SHA-256'; readonly content: string }[];
}

/** Without a time or a serial number, so that the same images give the same file. Returns `path`. */
export async function writeBillOfMaterials(path: string, artifacts: readonly Artifact[]): Promise<string> {
  await writeFile(path, `${JSON.stringify(billOfMaterials(artifacts), null, 2)}\n`);
  return path;
}

export function billOfMaterials(artifacts: readonly Artifact[]): object {
  const materials = new Map(
    artifacts.flatMap(({ materials }) => materials.map((item) => [materialRef(item), item] as const)),
  );
  const images = artifacts.flatMap((artifact) =>
    Object.entries(artifact.files).map(([file, { sha256 }]) =>
      component(fileRef(artifact, file), `${artifact.name}/${file}`, artifact.version, sha256),
    ),
  );
  return {
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    version: 1,
    metadata: { component: { type: 'platform', 'bom-ref': 'ennead', name: 'ennead' } },
    components: [
      ...images,
      ...[...materials].map(([ref, item]) => component(ref, item.name, item.version, item.sha256)),
    ],
    dependencies: artifacts.flatMap((artifact) =>
      Object.keys(artifact.files).map((file) => ({
        ref: fileRef(artifact, file),
        dependsOn: artifact.materials.map(materialRef),
      })),
    ),
  };
}

function component(ref: string, name: string, version: string, sha256: string | undefined): Component {
  return {
    type: 'file',
    'bom-ref': ref,
    name,
    version,
    ...(sha256 && { hashes: [{ alg: 'SHA-256' as const, content: sha256 }] }),
  };
}

const fileRef = (artifact: Artifact, file: string): string => `image:${artifact.name}/${file}`;
const materialRef = (material: Material): string => `debian:${material.name}@${material.sha256.slice(0, 12)}`;
