/** A XenStore folder with permissions of its own, in as few round trips as the protocol allows. */
import type { NodePermission, XenStoreWriter } from '../xen/xenstore-port.ts';

/**
 * Makes a folder, and in it nodes that take its permissions. XenStore does what it is asked in the order in which it is asked, so nothing here
 * waits for one answer before the next request, and a caller need not wait for a folder before it asks for one inside.
 */
export async function folder(
  store: XenStoreWriter,
  path: string,
  permissions: readonly NodePermission[],
  nodes: Readonly<Record<string, string>> = {},
): Promise<void> {
  await Promise.all([
    store.mkdir(path),
    store.setPermissions(path, permissions),
    ...Object.entries(nodes).map(([name, value]) => store.write(`${path}/${name}`, value)),
  ]);
}
