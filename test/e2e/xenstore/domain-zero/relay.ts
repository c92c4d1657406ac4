/** A client of the store that domain 0 speaks for: it is a domain of its own, with its own ring, and domain 0 holds the other end of it. */
import { encodeBootParameters } from '../../../../src/contracts/boot-parameters.ts';
import { BUILDER_DOMID, TOOLSTACK_DOMID } from '../../../../src/contracts/domids.ts';
import type { LabelledDomain } from '../../../../src/contracts/flask-contexts.ts';
import { consumeRing, readRing, writeRing } from '../../../../src/kit/ring.ts';
import { ERROR_OFFSET } from '../../../../src/wire/byte-ring.ts';
import { type Packet, PacketReader } from '../../../../src/wire/xenstore-message.ts';
import type { DomId, EventPort, SharedRegion } from '../../../../src/xen/ports.ts';
import { domainControl, eventChannels, foreignMemory } from '../../../../src/xen/real/adapter.ts';
import { createVm, loadVm, UNRESTRICTED, vmImage } from '../../../virtual-store/domain-zero/vms.ts';
import { PAGE_PARAMETER, relayParameters, STORE_PORT_OFFSET } from '../relaying.ts';

/** A server that is as slow as this does not answer any more. */
const SILENCE_MS_MAX = 30_000;
const BOOT_MS_MAX = 60_000;

const labels = new Map<DomId, LabelledDomain>([
  [BUILDER_DOMID, 'builder'],
  [TOOLSTACK_DOMID, 'toolstack'],
]);

export class Relay {
  private reader = new PacketReader();

  private constructor(
    readonly domid: DomId,
    readonly frame: number,
    private readonly page: SharedRegion,
    private readonly channel: EventPort,
  ) {}

  /** Resolves nothing: its VM boots meanwhile. */
  static start(domid: DomId, server: DomId): Relay {
    createVm(domid, labels.get(domid) ?? 'guest');
    const channel = eventChannels.allocUnbound(domid);
    const orders = encodeBootParameters(relayParameters.encode({ server, conductor: channel }));
    const frame = loadVm(domid, vmImage('relay', UNRESTRICTED, orders), {
      domid: server,
      port: 0,
      pageParameter: `ennead.${PAGE_PARAMETER}`,
    });
    const page = foreignMemory.map(domid, [frame], true);
    domainControl.unpause(domid);
    return new Relay(domid, frame, page, channel);
  }

  awaitBoot(): void {
    while (this.storePort === 0)
      if (!eventChannels.wait(this.channel, BOOT_MS_MAX)) throw new Error(`domain ${this.domid} does not boot`);
  }

  get storePort(): EventPort {
    return this.page.load32(STORE_PORT_OFFSET);
  }

  /** What the server says of the connection, 0 if nothing is wrong. */
  get error(): number {
    return this.word(ERROR_OFFSET);
  }

  /** Of its page. */
  word(offset: number): number {
    return this.page.load32(offset);
  }

  /** All of it, however small the ring is. `take` is given what comes meanwhile. */
  send(bytes: Uint8Array, take: (packets: readonly Packet[]) => void): void {
    for (let left = bytes; ; this.wait()) {
      const written = writeRing(this.page, 'client', left);
      if (written === null) throw new Error(`the server broke the ring of domain ${this.domid}`);
      if (written > 0) eventChannels.notify(this.channel);
      left = left.subarray(written);
      if (left.length === 0) return;
      take(this.receive());
    }
  }

  /** What has come. */
  receive(): readonly Packet[] {
    const bytes = readRing(this.page, 'client');
    const packets = bytes && this.reader.push(bytes);
    if (!packets || typeof packets === 'string') throw new Error(`the server broke the ring of domain ${this.domid}`);
    if (consumeRing(this.page, 'client', bytes.length)) eventChannels.notify(this.channel);
    return packets;
  }

  /** Until the server has done something. */
  wait(): void {
    if (!eventChannels.wait(this.channel, SILENCE_MS_MAX))
      throw new Error(`the server does not answer domain ${this.domid}`);
  }

  /** Writes a word into its page, as no Linux would. */
  scribble(offset: number, word: number): void {
    this.page.store32(offset, word);
    eventChannels.notify(this.channel);
  }

  /** The conversation starts anew. */
  forgetConversation(): void {
    this.reader = new PacketReader();
    this.page.store32(ERROR_OFFSET, 0);
  }

  /** Its domain is gone as soon as the server lets go of it, too. */
  destroy(): void {
    domainControl.destroy(this.domid);
    this.page.close();
    eventChannels.unbind(this.channel);
  }
}
