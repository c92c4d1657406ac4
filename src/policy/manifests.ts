/** The nine, in the order of their numbers. */
import type { Manifest } from '../kit/manifest.ts';
import { manifest as blkback } from '../services/blkback/manifest.ts';
import { manifest as bootstrapper } from '../services/bootstrapper/manifest.ts';
import { manifest as builder } from '../services/builder/manifest.ts';
import { manifest as netback } from '../services/netback/manifest.ts';
import { manifest as pciback } from '../services/pciback/manifest.ts';
import { manifest as qemu } from '../services/qemu/manifest.ts';
import { manifest as toolstack } from '../services/toolstack/manifest.ts';
import { manifest as xenstoreLogic } from '../services/xenstore-logic/manifest.ts';
import { manifest as xenstoreState } from '../services/xenstore-state/manifest.ts';

export const manifests: readonly Manifest[] = [
  pciback,
  bootstrapper,
  toolstack,
  xenstoreLogic,
  xenstoreState,
  builder,
  blkback,
  netback,
  qemu,
];
