/** One of the two hosts that are compared, booted: what an operator who is logged in can ask of it. */
import type { SerialMarks } from './serial-marks.ts';

export interface Side {
  readonly serial: SerialMarks;
  /** Asks for the guest; resolves when the host has answered. `port`: where the peer of its download listens, as the card's address has it. */
  create(port: number): Promise<unknown>;
  destroy(): Promise<unknown>;
  /** What the guest's QEMU takes: its VM, or its process. */
  qemuMib(): Promise<number>;
  end(): Promise<void>;
}

/** The address of the guest's card has the port in it: nothing else of the guest is chosen by whoever creates it, on both sides. */
export const cardAddress = (port: number): string =>
  ['00', '16', '3e', 'be', ...[port >> 8, port & 0xff].map((byte) => byte.toString(16).padStart(2, '0'))].join(':');
