/** What a fuzzer has done. */
export interface Tally {
  /** Packets and what is none, as they were fed to Logic. */
  inputs: number;
  answers: number;
  /** Of the answers. */
  errors: number;
  /** Connections that were lost for a length that no packet has. */
  broken: number;
  /** Rounds in which ring indices and the like were overwritten. */
  misused: number;
  /** Transactions that were reserved for a client whose others had conflicted. */
  reserved: number;
  /** How often a change was put off for one of these. */
  held: number;
  /** The most handler runs that the witness has waited for. */
  latencyMax: number;
}

export const newTally = (): Tally => ({
  inputs: 0,
  answers: 0,
  errors: 0,
  broken: 0,
  misused: 0,
  reserved: 0,
  held: 0,
  latencyMax: 0,
});

export function addTally(sum: Tally, { latencyMax, ...counts }: Tally): void {
  for (const [name, count] of Object.entries(counts)) sum[name as keyof typeof counts] += count;
  sum.latencyMax = Math.max(sum.latencyMax, latencyMax);
}
