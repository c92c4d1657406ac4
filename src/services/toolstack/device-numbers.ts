/**
 * Virtual disk names as the numbers under which front and back ends know them.
 * @source xen docs/man/xen-vbd-interface.7
 */
const XVD_MAJOR = 202;
const SD_MAJOR = 8;
/** hda, hdb: IDE's first channel; hdc, hdd: its second. */
const HD_MAJORS = [3, 3, 22, 22];
/** xvdq and later, and partitions above 15, do not fit into the old form. */
const EXTENDED = 1 << 28;

const LETTER_A = 'a'.charCodeAt(0);

/** null: no such name. `xvda` is 51712, `sda1` 2049. */
export function vdevNumber(name: string): number | null {
  const match = /^(xvd|sd|hd)([a-z])(\d{1,2})?$/.exec(name);
  if (!match) return null;
  const [, bus, letter, digits] = match;
  const disk = letter!.charCodeAt(0) - LETTER_A;
  const partition = digits === undefined ? 0 : Number(digits);
  if (digits?.startsWith('0') || partition > 15) return null;
  if (bus === 'xvd') return disk < 16 ? (XVD_MAJOR << 8) | (disk << 4) | partition : EXTENDED | (disk << 8) | partition;
  if (bus === 'sd') return disk < 16 ? (SD_MAJOR << 8) | (disk << 4) | partition : null;
  const major = HD_MAJORS[disk];
  return major === undefined ? null : (major << 8) | ((disk % 2) << 6) | partition;
}
