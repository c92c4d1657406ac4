/** The server's end of a link that a known client offers (see link-offer.ts). */
import { type DomId, type Log, PortError } from '../xen/ports.ts';
import type { MessageLink } from './link.ts';
import { decodeOffer, type LinkPorts, linkNode, type Offer } from './link-offer.ts';
import { dismissClient, isDismissed, type RingEnd, ringLink } from './ring-link.ts';

export interface AcceptedLinks {
  /** Stops watching and closes the link. */
  close(): Promise<void>;
}

export interface AcceptOptions {
  readonly name: string;
  readonly client: DomId;
  /**
   * An offer that is there already was made to an earlier process of this VM, which may have gone in the middle of a message: the client is
   * told so, and makes another.
   */
  readonly renew?: boolean;
}

/**
 * Calls `onLink` for the client's offer, and again for each later offer (a client that started again): an offer that changes or
 * disappears closes the link of the one before.
 */
export async function acceptLinks(
  ports: LinkPorts,
  link: AcceptOptions,
  onLink: (link: MessageLink) => void,
  log: Log = () => undefined,
): Promise<AcceptedLinks> {
  const acceptor = new Acceptor(ports, link, onLink, log);
  const unwatch = await ports.xenstore.watch(linkNode(link.client, link.name), () => acceptor.look());
  return {
    async close() {
      acceptor.stop();
      await unwatch();
    },
  };
}

class Acceptor {
  /** `link` null: an old offer, whose client is told. */
  private current: { offer: Offer; link: MessageLink | null } | null = null;
  private looking = false;
  private lookAgain = false;
  private stopped = false;
  /** Nobody has looked yet. */
  private first = true;

  constructor(
    private readonly ports: LinkPorts,
    private readonly link: AcceptOptions,
    private readonly onLink: (link: MessageLink) => void,
    private readonly log: Log,
  ) {}

  /** One look at a time; a change during one makes another. */
  look(): void {
    if (this.looking) {
      this.lookAgain = true;
      return;
    }
    this.looking = true;
    this.readOffer()
      .then((offer) => this.replace(offer))
      .catch((error: unknown) => this.log(`link ${this.link.name} of ${this.link.client}: ${String(error)}`))
      .finally(() => {
        this.looking = false;
        if (!this.lookAgain) return;
        this.lookAgain = false;
        this.look();
      });
  }

  stop(): void {
    this.replace(null);
    this.stopped = true;
  }

  private replace(offer: Offer | null): void {
    if (this.stopped) return;
    if (offer && this.isKnown(offer)) return;
    this.current?.link?.close();
    this.current = null;
    const old = this.first && (this.link.renew ?? false);
    this.first = false;
    if (!offer) return;
    const end = this.open(offer);
    if (old) dismissClient(this.ports.eventChannels, end);
    const link = old ? null : ringLink(this.ports.eventChannels, end);
    this.current = { offer, link };
    if (link) this.onLink(link);
  }

  /** A client that was told to make another offer may happen to get the same numbers again; its new page is empty. */
  private isKnown({ ref, port }: Offer): boolean {
    const { current } = this;
    if (current?.offer.ref !== ref || current.offer.port !== port) return false;
    if (current.link !== null) return true;
    const page = this.ports.grants.map(this.link.client, [ref], true);
    const dismissed = isDismissed(page);
    page.close();
    return dismissed;
  }

  private async readOffer(): Promise<Offer | null> {
    const node = linkNode(this.link.client, this.link.name);
    const offer = await this.ports.xenstore.read(node).catch(notYetOurs);
    return offer === null ? null : decodeOffer(offer);
  }

  private open({ ref, port }: Offer): RingEnd {
    const { client } = this.link;
    const region = this.ports.grants.map(client, [ref], true);
    try {
      const local = this.ports.eventChannels.bindInterdomain(client, port);
      return { role: 'server', peer: client, region, port: local };
    } catch (error) {
      region.close();
      throw error;
    }
  }
}

/** The client writes its offer before it lets the server read it. */
function notYetOurs(error: unknown): null {
  if (error instanceof PortError && error.code === 'EACCES') return null;
  throw error;
}
