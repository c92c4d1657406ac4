/** The results as a table: for each operation and number of clients, one row for each server, with its ratios to the reference. */
import { operations, REFERENCE, type Result, type Server } from './plan.ts';

export interface Measurement {
  readonly server: Server;
  readonly clients: number;
  readonly results: readonly Result[];
}

/** Of several rounds one: every figure is the median of that figure. */
export function medians(rounds: readonly Measurement[]): Measurement[] {
  const isBeside = (one: Measurement) => (other: Measurement) =>
    other.server === one.server && other.clients === one.clients;
  const firsts = rounds.filter((one, index) => rounds.findIndex(isBeside(one)) === index);
  return firsts.map((first) => {
    const group = rounds.filter(isBeside(first));
    return { ...first, results: first.results.map(({ operation }) => medianOf(operation, group)) };
  });
}

function medianOf(operation: Result['operation'], group: readonly Measurement[]): Result {
  const all = group.flatMap(({ results }) => results.filter((result) => result.operation === operation));
  const median = (figure: Exclude<keyof Result, 'operation'>): number => {
    const sorted = all.map((result) => result[figure]).sort((a, b) => a - b);
    // Of an even number of rounds there are two in the middle: taking one would make a rate that of the better round, and its latency that of the worse.
    return (sorted[Math.floor((sorted.length - 1) / 2)]! + sorted[Math.floor(sorted.length / 2)]!) / 2;
  };
  return {
    operation,
    perSecond: median('perSecond'),
    p50Ms: median('p50Ms'),
    p99Ms: median('p99Ms'),
    serverMs: median('serverMs'),
    clientMs: median('clientMs'),
  };
}

type Row = Result & { readonly server: Server; readonly clients: number };

/** `ratio`: how much of what the reference does in a second; and how much of the processor time that it takes for one. */
const columns: readonly (readonly [string, (row: Row, reference: Row | undefined) => string])[] = [
  ['operation', (row) => row.operation],
  ['clients', (row) => String(row.clients)],
  ['server', (row) => row.server],
  ['per second', (row) => rounded(row.perSecond)],
  ['ratio', (row, reference) => ratio(row.perSecond, reference?.perSecond)],
  ['p50 ms', (row) => rounded(row.p50Ms)],
  ['p99 ms', (row) => rounded(row.p99Ms)],
  ['server ms/op', (row) => rounded(row.serverMs)],
  ['ratio', (row, reference) => ratio(row.serverMs, reference?.serverMs)],
  ['client ms/op', (row) => rounded(row.clientMs)],
];

const SHORT = 10;
const rounded = (value: number): string => value.toFixed(value < SHORT ? 2 : 0);
const ratio = (value: number, reference: number | undefined): string =>
  reference === undefined ? '-' : (value / reference).toFixed(2);

export function table(measurements: readonly Measurement[]): string {
  const rows = measurements.flatMap(({ server, clients, results }) =>
    results.map((result): Row => ({ ...result, server, clients })),
  );
  const isBeside = (row: Row) => (other: Row) => other.clients === row.clients && other.operation === row.operation;
  const sorted = operations.flatMap((operation) => rows.filter((row) => row.operation === operation));
  const lines = sorted.map((row) => {
    const reference = rows.filter(isBeside(row)).find(({ server }) => server === REFERENCE);
    return columns.map(([, cell]) => cell(row, reference));
  });
  return aligned([columns.map(([head]) => head), ...lines]);
}

function aligned(rows: readonly (readonly string[])[]): string {
  const widths = columns.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const isText = (column: number): boolean => /^[a-z]/.test(rows[1]?.[column] ?? '');
  const cell = (text: string, column: number): string =>
    isText(column) ? text.padEnd(widths[column]!) : text.padStart(widths[column]!);
  return rows.map((row) => row.map(cell).join('  ')).join('\n');
}
