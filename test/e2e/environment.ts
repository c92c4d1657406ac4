/** What is told to tests by environment variables. */
export function numberFrom(name: string, otherwise: number): number {
  const value = process.env[name] ?? String(otherwise);
  if (!/^\d{1,10}$/.test(value)) throw new RangeError(`${name}: ${value}`);
  return Number(value);
}
