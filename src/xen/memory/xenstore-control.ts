/** The commands of XS_CONTROL that the XenStore in memory knows: nothing is limited there, but what was set is shown. */
import { BUILDER_DOMID, TOOLSTACK_DOMID, XENSTORE_LOGIC_DOMID, XENSTORE_STATE_DOMID } from '../../contracts/domids.ts';
import { guestLimits, isWithinBounds, type Limits } from '../../contracts/xenstore-limits.ts';
import {
  type DomainQuota,
  encodeDomids,
  encodeLimits,
  encodeQuota,
  encodeSoftLimits,
  limitNamed,
} from '../../contracts/xenstore-quota.ts';
import { type DomId, PortError } from '../ports.ts';

const refusal = (code: string, what: string): PortError => new PortError(code, 'xenstore control', what);

export class MemoryControl {
  private limits: Limits = guestLimits;

  constructor(private readonly quotas: () => readonly DomainQuota[]) {}

  answer(asker: DomId, command: string, parameters: readonly string[]): string {
    if (asker === BUILDER_DOMID && command === 'starts') return startsOnce(parameters[0]);
    if (asker !== TOOLSTACK_DOMID || command === 'starts') throw refusal('EACCES', command);
    if (command === 'domids') return encodeDomids(this.quotas().map(({ domid }) => domid));
    if (command !== 'quota' && command !== 'quota-soft') throw refusal('EINVAL', command);
    if (parameters[0] === 'set') return this.set(command, parameters.slice(1));
    if (command === 'quota-soft') return encodeSoftLimits(this.limits);
    return parameters[0] === undefined ? encodeLimits(this.limits) : this.quotaOf(parameters[0]);
  }

  private quotaOf(asked: string): string {
    const quota = this.quotas().find(({ domid }) => String(domid) === asked);
    if (!quota) throw refusal('ENOENT', asked);
    return encodeQuota(quota);
  }

  private set(command: 'quota' | 'quota-soft', [name = '', value = '']: readonly string[]): string {
    const limit = limitNamed(command, name);
    if (!limit || !isWithinBounds(limit, Number(value))) throw refusal('EINVAL', name);
    this.limits = { ...this.limits, [limit]: Number(value) };
    return 'OK';
  }
}

/** Nothing here starts again: XenStore's two programs are not even there. */
function startsOnce(domid: string | undefined): string {
  if (domid !== String(XENSTORE_STATE_DOMID) && domid !== String(XENSTORE_LOGIC_DOMID))
    throw refusal('EINVAL', 'starts');
  return '1';
}
