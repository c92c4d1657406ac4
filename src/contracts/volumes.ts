/**
 * Toolstack → BlkBack, through XenStore (BlkBack's only other peers are the guests' rings).
 *
 * Requests: Toolstack writes one as JSON to `<blkback home>/ennead/volume/request/<id>`; BlkBack answers in
 * `<blkback home>/ennead/volume/answer/<id>` and removes the request; Toolstack removes the answer. A BlkBack that starts again carries out the
 * requests it finds and forgets old answers.
 *
 * Disks: Toolstack writes a vbd's back end node as xl does (frontend, frontend-id, online, state, device-type, …) in one transaction,
 * with `params` = the volume's name and `mode` = r or w. BlkBack attaches the volume and writes `physical-device` and `hotplug-status`;
 * for a vbd that it refuses it writes `hotplug-status` = error and the reason to `hotplug-error`. To take a disk away Toolstack removes the
 * back end node; a volume written by one VM can be given to another as soon as the first's node is gone. A guest on an emulated PC may have its
 * volume twice, by its Qemu VM and by itself: then `shared-with` of each names the other front end, and only of these two may both write.
 */
import * as z from 'zod/mini';

export const SHARED_WITH = 'shared-with';

export const volumeName = z.string().check(z.regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/));
/** The largest file of ext4 with 4 KiB blocks, without its last block. */
export const VOLUME_BYTES_MAX = 2 ** 44 - 4096;
/** Volumes are whole sectors. */
export const volumeBytes = z.number().check(z.int(), z.minimum(512), z.maximum(VOLUME_BYTES_MAX), z.multipleOf(512));

export const volumeRequestId = z.string().check(z.regex(/^[A-Za-z0-9-]{1,64}$/));
export const volumeRequest = z.discriminatedUnion('op', [
  z.strictObject({ op: z.literal('create'), name: volumeName, bytes: volumeBytes }),
  z.strictObject({ op: z.literal('delete'), name: volumeName }),
  /** In the order of names, from the first one after `after`. */
  z.strictObject({ op: z.literal('list'), after: z.optional(volumeName) }),
]);
export type VolumeRequest = z.infer<typeof volumeRequest>;

export const volume = z.strictObject({
  name: volumeName,
  bytes: z.number(),
  /** What it takes on the disk by now: a new volume is a sparse file. */
  allocatedBytes: z.number(),
  /** The domids that have it as a disk. */
  attachedTo: z.array(z.number()),
});
export type Volume = z.infer<typeof volume>;

export const volumeErrors = ['exists', 'missing', 'busy', 'full', 'bad-request', 'failed'] as const;
export type VolumeErrorCode = (typeof volumeErrors)[number];

export const volumeAnswer = z.discriminatedUnion('ok', [
  z.strictObject({
    ok: z.literal(true),
    /** list: the volumes; create: the new one; delete: none. */
    volumes: z.array(volume),
    /** list: there are volumes after these; ask again with the last name as `after`. */
    more: z.boolean(),
    /** The largest volume that can be created now. */
    freeBytes: z.number(),
  }),
  z.strictObject({ ok: z.literal(false), code: z.enum(volumeErrors), message: z.string() }),
]);
export type VolumeAnswer = z.infer<typeof volumeAnswer>;

/** An answer is one XenStore value. @source xen/include/public/io/xs_wire.h, XENSTORE_PAYLOAD_MAX, less the path */
export const VOLUME_ANSWER_BYTES_MAX = 3500;

export const volumeRequestDirectory = (blkback: number): string => `/local/domain/${blkback}/ennead/volume/request`;
export const volumeAnswerDirectory = (blkback: number): string => `/local/domain/${blkback}/ennead/volume/answer`;
