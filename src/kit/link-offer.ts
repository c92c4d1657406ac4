/**
 * The client's end of a link: it shares a page and an event channel with the server and says so in XenStore, where only the server
 * and the tools can read it: `/local/domain/<self>/ennead/link/<name>`, one node, so that nobody reads half an offer.
 */
import type { DomId, EventChannels, Grants } from '../xen/ports.ts';
import { PortError } from '../xen/ports.ts';
import type { XenStore } from '../xen/xenstore-port.ts';
import type { MessageLink } from './link.ts';
import { ringLink } from './ring-link.ts';

export interface LinkPorts {
  readonly grants: Grants;
  readonly eventChannels: EventChannels;
  readonly xenstore: XenStore;
}

/** Relative paths start at the own home. */
const nodeOf = (name: string): string => `ennead/link/${name}`;
export const linkNode = (client: DomId, name: string): string => `/local/domain/${client}/${nodeOf(name)}`;

/** What the server needs to connect. */
export interface Offer {
  readonly ref: number;
  readonly port: number;
}

const encodeOffer = ({ ref, port }: Offer): string => `ring-ref=${ref} event-channel=${port}`;

/** null: no offer. */
export function decodeOffer(text: string): Offer | null {
  const [, ref, port] = /^ring-ref=(\d{1,10}) event-channel=(\d{1,10})$/.exec(text) ?? [];
  return ref === undefined || port === undefined ? null : { ref: Number(ref), port: Number(port) };
}

/** The link is usable at once: what is sent before the server comes waits in the ring. */
export async function offerLink(ports: LinkPorts, link: { name: string; server: DomId }): Promise<MessageLink> {
  const { region, refs } = ports.grants.share(link.server, 1, true);
  const port = ports.eventChannels.allocUnbound(link.server);
  const end = ringLink(ports.eventChannels, { role: 'client', peer: link.server, region, port });
  try {
    await advertise(ports.xenstore, link, refs[0], port);
  } catch (error) {
    end.close();
    throw error;
  }
  // The server unmaps when the offer disappears. A XenStore that has gone itself cannot be told.
  end.onClosed(() => void ports.xenstore.remove(nodeOf(link.name)).catch(() => undefined));
  return end;
}

async function advertise(
  xenstore: XenStore,
  { name, server }: { name: string; server: DomId },
  ref: number | undefined,
  port: number,
): Promise<void> {
  const self = Number(await xenstore.read('domid'));
  if (!Number.isInteger(self) || ref === undefined) throw new PortError('EIO', 'offerLink', name);
  const node = nodeOf(name);
  await xenstore.write(node, encodeOffer({ ref, port }));
  // Only now may the server read it, and is told of it.
  await xenstore.setPermissions(node, [
    { domid: self, access: 'none' },
    { domid: server, access: 'read' },
  ]);
}
