/** The figures of both sides, with the ratio of Ennead's to the ordinary domain 0's in the same run. */
import { median } from '../median.ts';

/** Label, unit. */
export const rows = {
  firstBios: ['create → BIOS on the screen, first guest of the host', 's'],
  bios: ['create → BIOS on the screen, third guest', 's'],
  runs: ['of that: create → its processor runs', 's'],
  linux: ['BIOS on the screen → Linux runs (9 MiB read by the BIOS)', 's'],
  destroy: ['destroy', 's'],
  read: ['emulated SATA disk, read', 'MiB/s'],
  write: ['emulated SATA disk, write and flush', 'MiB/s'],
  download: ['emulated e1000, HTTP download', 'MiB/s'],
  qemuMib: ["memory: Ennead's Qemu VM, QEMU's process in domain 0", 'MiB'],
} as const;
export type Figure = keyof typeof rows;
export type Figures = Readonly<Record<Figure, number>>;

export interface Compared {
  readonly figure: Figure;
  readonly unit: string;
  readonly ordinary: number;
  readonly ennead: number;
  /** Ennead's by the ordinary one's. */
  readonly ratio: number;
}

export function compare(ordinary: readonly Figures[], ennead: readonly Figures[]): Compared[] {
  return (Object.keys(rows) as Figure[]).map((figure) => {
    const of = (rounds: readonly Figures[]): number => median(rounds.map((round) => round[figure]));
    const [one, other] = [of(ordinary), of(ennead)];
    return { figure, unit: rows[figure][1], ordinary: one, ennead: other, ratio: other / one };
  });
}

export function table(compared: readonly Compared[]): string {
  const lines = compared.map(({ figure, unit, ordinary, ennead, ratio }) => [
    `${rows[figure][0]}, ${unit}`,
    ...[ordinary, ennead, ratio].map((value) => value.toFixed(2)),
  ]);
  const all = [['', 'ordinary domain 0', 'Ennead', 'ratio'], ...lines];
  const widths = all[0]!.map((_, column) => Math.max(...all.map((line) => line[column]!.length)));
  const cell = (text: string, column: number): string =>
    column === 0 ? text.padEnd(widths[0]!) : text.padStart(widths[column]!);
  return all.map((line) => line.map(cell).join('  ')).join('\n');
}
