/** The volume with QEMU's files: made with the host's disk, plugged into every Qemu VM by Toolstack, mounted by its service. */

export const QEMU_VOLUME = 'ennead-qemu';
/** Where a Qemu VM finds it. */
export const QEMU_DEVICE = 'xvdz';
/** On it. */
export const QEMU_PROGRAM = '/usr/libexec/xen-qemu-system-i386';
