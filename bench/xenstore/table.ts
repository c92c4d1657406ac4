/** The results as a table, one row for each operation and number of clients, with ratios to the first server. */
import { operations, type Result, type Server } from './plan.ts';

export interface Measurement {
  readonly server: Server;
  readonly clients: number;
  readonly results: readonly Result[];
}

const HEAD = ['operation', 'clients', 'server', 'per second', 'ratio', 'p50 ms', 'p99 ms', 'server ms/op', 'ratio'];

const rounded = (value: number): string => (value < 10 ? value.toFixed(2) : value.toFixed(0));

export function table(measurements: readonly Measurement[]): string {
  const clientCounts = [...new Set(measurements.map(({ clients }) => clients))];
  const rows = operations.flatMap((operation) =>
    clientCounts.flatMap((count) => {
      const found = measurements.filter(({ clients }) => clients === count);
      const results = found.map(({ server, results }) => ({
        server,
        ...results.find((r) => r.operation === operation)!,
      }));
      return results.map((result) => [
        operation,
        String(count),
        result.server,
        rounded(result.perSecond),
        rounded(result.perSecond / results[0]!.perSecond),
        rounded(result.p50Ms),
        rounded(result.p99Ms),
        rounded(result.serverMs),
        rounded(result.serverMs / results[0]!.serverMs),
      ]);
    }),
  );
  return aligned([HEAD, ...rows]);
}

function aligned(rows: readonly (readonly string[])[]): string {
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const isText = (column: number): boolean => column === 0 || column === 2;
  const cell = (text: string, column: number): string =>
    isText(column) ? text.padEnd(widths[column]!) : text.padStart(widths[column]!);
  return rows.map((row) => row.map(cell).join('  ')).join('\n');
}
