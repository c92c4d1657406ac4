/**
 * PCIBack ↔ Builder, over PCIBack's link to Builder. PCIBack calls `controllers.report`; Builder then calls `device.hand` on the same link
 * for each controller, after it has created (not built) the driver VM, and `device.return` before a driver VM is rebuilt.
 */
import * as z from 'zod/mini';
import { domid } from './builder.ts';

export const bdf = z.string().check(z.regex(/^[0-9a-f]{4}:[0-9a-f]{2}:[0-1][0-9a-f]\.[0-7]$/));

export const controller = z.strictObject({
  bdf,
  kind: z.enum(['storage', 'network']),
  /** PCI class code, 24 bits, and ids. */
  classCode: z.number(),
  vendor: z.number(),
  device: z.number(),
  /** DMA and interrupts are confined by an IOMMU. */
  isolated: z.boolean(),
});
export type Controller = z.infer<typeof controller>;

export const pcibackCalls = {
  'controllers.report': z.strictObject({ controllers: z.array(controller).check(z.maxLength(32)) }),
} as const;
export const pcibackAnswers = {
  'device.hand': z.strictObject({ bdf, domid }),
  'device.return': z.strictObject({ bdf, domid }),
  'power.off': z.strictObject({}),
} as const;
