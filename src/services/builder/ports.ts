/** What Builder reaches the world through. */
import type { MessageLink } from '../../kit/link.ts';
import type { Clock, DomainControl, DomId, Files, HostInfo, Log } from '../../xen/ports.ts';
import type { XenStore } from '../../xen/xenstore-port.ts';

/** One byte string that survives the process, not the VM. */
export interface RecoveryBox {
  read(): Uint8Array | null;
  write(bytes: Uint8Array): void;
}

export interface BuilderPorts {
  readonly domains: DomainControl;
  readonly host: Pick<HostInfo, 'physical'>;
  readonly files: Pick<Files, 'list' | 'stat'>;
  readonly store: XenStore;
  readonly clock: Clock;
  readonly box: RecoveryBox;
  readonly log: Log;
  /** Calls `onLink` for each link that `client` offers to Builder, now and later. */
  acceptLinks(client: DomId, onLink: (link: MessageLink) => void): Promise<unknown>;
}
