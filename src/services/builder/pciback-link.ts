/** PCIBack, as Builder sees it: a VM that works only while devices are handed over, and is held without rights otherwise. */
import * as z from 'zod/mini';
import { PCIBACK_DOMID } from '../../contracts/domids.ts';
import { contextOf, domainTypes } from '../../contracts/flask-contexts.ts';
import { type Controller, controllerList } from '../../contracts/pci-handover.ts';
import type { MessageLink } from '../../kit/link.ts';
import { RpcError, type RpcPeer, rpcPeer } from '../../kit/rpc.ts';
import type { DomId } from '../../xen/ports.ts';
import type { BuilderPorts } from './ports.ts';

/** Resets a device and lays its interrupt, under an emulated processor at worst. */
const HAND_TIMEOUT_MS = 60_000;
const LIST_TIMEOUT_MS = 60_000;
const POWER_OFF_TIMEOUT_MS = 30_000;

export class PciBackLink {
  private peer: RpcPeer | null = null;

  constructor(
    private readonly ports: BuilderPorts,
    private readonly onControllers: (controllers: readonly Controller[]) => Promise<void>,
  ) {}

  accept(): Promise<unknown> {
    return this.ports.acceptLinks(PCIBACK_DOMID, (link) => this.attach(link));
  }

  async hand(bdf: string, domid: DomId, isolated: boolean): Promise<void> {
    await this.call('device.hand', { bdf, domid, isolated }, HAND_TIMEOUT_MS);
  }

  async takeBack(bdf: string, domid: DomId, isolated: boolean): Promise<void> {
    await this.call('device.return', { bdf, domid, isolated }, HAND_TIMEOUT_MS);
  }

  /** Held, and stripped of what it could do if it were not. */
  retire(): void {
    this.ports.domains.pause(PCIBACK_DOMID);
    this.ports.domains.relabel(PCIBACK_DOMID, contextOf(domainTypes['pciback-retired']));
  }

  /** Its rights, and its processor. Nothing happens to one that works. */
  wake(): void {
    const { domains } = this.ports;
    if (!this.retired) return;
    domains.relabel(PCIBACK_DOMID, contextOf(domainTypes.pciback));
    domains.unpause(PCIBACK_DOMID);
  }

  get retired(): boolean {
    return this.ports.domains.contextOf(PCIBACK_DOMID) === contextOf(domainTypes['pciback-retired']);
  }

  /** The machine's end: an answer is not to be expected. */
  async powerOff(): Promise<void> {
    await this.call('power.off', {}, POWER_OFF_TIMEOUT_MS);
  }

  private attach(link: MessageLink): void {
    const peer = rpcPeer(link, {});
    this.peer = peer;
    peer.onClosed((why) => {
      if (this.peer === peer) this.peer = null;
      this.ports.log(`link of pciback closed: ${why}`);
    });
    // One that is held has told everything already, and cannot answer.
    if (!this.retired)
      this.askForControllers().catch((error: unknown) => this.ports.log(`controllers of pciback: ${String(error)}`));
  }

  private async askForControllers(): Promise<void> {
    const answer = await this.call('controllers.list', {}, LIST_TIMEOUT_MS);
    await this.onControllers(z.parse(controllerList, answer).controllers);
  }

  private call(method: string, params: object, timeoutMs: number): Promise<unknown> {
    if (!this.peer) return Promise.reject(new RpcError('closed', `${method}: PCIBack has no link`));
    return this.peer.call(method, params, timeoutMs);
  }
}
