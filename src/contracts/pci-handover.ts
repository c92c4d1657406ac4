/**
 * Builder → PCIBack, over the link that PCIBack offers to Builder. Builder asks for the controllers as soon as it has the link, then
 * calls `device.hand` for each, once the driver VM's domain and its `device/pci/0` nodes exist, and `device.return` when that VM
 * is given up. Everything may be asked again: a Builder process that was started again begins with the same question.
 *
 * The front end's nodes (`<driver home>/device/pci/0`) are Builder's, the back end's (`/local/domain/1/backend/pci/<driver>/0`)
 * PCIBack's: neither needs a right in the other's home.
 */
import * as z from 'zod/mini';
import { domid } from './builder.ts';
import { PCIBACK_DOMID } from './domids.ts';

export const bdf = z.string().check(z.regex(/^[0-9a-f]{4}:[0-9a-f]{2}:[0-1][0-9a-f]\.[0-7]$/));

export const controller = z.strictObject({
  bdf,
  kind: z.enum(['storage', 'network']),
  /** PCI class code, 24 bits, and ids. */
  classCode: z.number(),
  vendor: z.number(),
  device: z.number(),
});
export type Controller = z.infer<typeof controller>;

export const controllerList = z.strictObject({ controllers: z.array(controller).check(z.maxLength(32)) });

export const pcibackMethods = {
  /** A `controllerList`: every storage and network controller that PCIBack keeps. */
  'controllers.list': z.strictObject({}),
  /** `isolated`: the domain was created for the IOMMU, which shall confine the device's DMA to it. */
  'device.hand': z.strictObject({ bdf, domid, isolated: z.boolean() }),
  'device.return': z.strictObject({ bdf, domid, isolated: z.boolean() }),
  /** Powers the machine off; there may be no answer. */
  'power.off': z.strictObject({}),
} as const;

export const pciBackendPath = (driver: number): string => `/local/domain/${PCIBACK_DOMID}/backend/pci/${driver}/0`;
export const pciFrontendPath = (driver: number): string => `/local/domain/${driver}/device/pci/0`;
