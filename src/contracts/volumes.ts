/**
 * Toolstack → BlkBack, through XenStore (BlkBack's only other peers are the guests' rings).
 * Toolstack writes a request as JSON to `<blkback home>/ennead/volume/request/<id>`; BlkBack answers in `<blkback home>/ennead/volume/answer/<id>`
 * and removes the request; Toolstack removes the answer.
 * BlkBack serves a vbd whose backend node `params` names a volume: it attaches the volume and writes `physical-device`.
 */
import * as z from 'zod/mini';

export const volumeName = z.string().check(z.regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/));
export const VOLUME_BYTES_MAX = 2 ** 44;
/** Volumes are whole sectors. */
export const volumeBytes = z.number().check(z.int(), z.minimum(512), z.maximum(VOLUME_BYTES_MAX), z.multipleOf(512));

export const volumeRequest = z.discriminatedUnion('op', [
  z.strictObject({ op: z.literal('create'), name: volumeName, bytes: volumeBytes }),
  z.strictObject({ op: z.literal('delete'), name: volumeName }),
  z.strictObject({ op: z.literal('list') }),
]);
export type VolumeRequest = z.infer<typeof volumeRequest>;

export const volume = z.strictObject({
  name: volumeName,
  bytes: z.number(),
  allocatedBytes: z.number(),
  attachedTo: z.array(z.number()),
});
export type Volume = z.infer<typeof volume>;

export const volumeAnswer = z.union([
  z.strictObject({ ok: z.literal(true), volumes: z.array(volume), freeBytes: z.number() }),
  z.strictObject({
    ok: z.literal(false),
    code: z.enum(['exists', 'missing', 'busy', 'full', 'bad-request', 'failed']),
    message: z.string(),
  }),
]);
export type VolumeAnswer = z.infer<typeof volumeAnswer>;

export const volumeRequestDirectory = (blkback: number): string => `/local/domain/${blkback}/ennead/volume/request`;
export const volumeAnswerDirectory = (blkback: number): string => `/local/domain/${blkback}/ennead/volume/answer`;
