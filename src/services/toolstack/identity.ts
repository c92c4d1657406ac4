/** What Toolstack chooses for a guest that does not say it: its UUID and its network addresses. */
import { BRIDGE } from '../../contracts/bridge.ts';
import type { GuestConfig, VifConfig } from '../../contracts/toolstack.ts';
import type { SettledConfig } from './guest-record.ts';

/** Xen's own range of Ethernet addresses. */
const XEN_OUI = '00:16:3e';

type Random = (length: number) => Uint8Array;

export function settle(config: GuestConfig, random: Random): SettledConfig {
  const addressed = <C extends VifConfig>(card: C) => ({ ...card, mac: card.mac ?? randomMac(random), bridge: BRIDGE });
  const { boot } = config;
  return {
    ...config,
    uuid: config.uuid ?? randomUuid(random),
    boot:
      boot.type !== 'hvm' ? boot : { ...boot, machine: { ...boot.machine, cards: boot.machine.cards.map(addressed) } },
    vifs: config.vifs.map(addressed),
  };
}

const hex = (byte: number): string => byte.toString(16).padStart(2, '0');

function randomMac(random: Random): string {
  const [first, ...rest] = random(3);
  // As xl does: the upper half of the range stays free for addresses given by hand.
  return [XEN_OUI, hex(first! & 0x7f), ...rest.map(hex)].join(':');
}

/** Version 4. @source RFC 9562 */
export function randomUuid(random: Random): string {
  const bytes = random(16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const digits = Array.from(bytes, hex).join('');
  return [8, 12, 16, 20, 32].map((end, index, ends) => digits.slice(index === 0 ? 0 : ends[index - 1], end)).join('-');
}
