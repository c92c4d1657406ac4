/** The host's serial log, taken apart: Xen writes `(dN)` before what domain N says, and services say their names. */

const PREFIX = /^\(d(\d+)\)\s?/;

/** The lines of one VM; null: the log does not know it. `domid`: what is known of it from elsewhere. */
export function linesOf(log: string, vm: string, domid: number | null): string[] | null {
  const lines = log.split(/\r?\n/);
  const tag = `ennead[${vm}]:`;
  const domids = new Set<number>();
  if (domid !== null) domids.add(domid);
  if (/^\d+$/.test(vm)) domids.add(Number(vm));
  for (const line of lines) {
    const said = PREFIX.exec(line);
    if (said && line.includes(tag)) domids.add(Number(said[1]));
  }
  // The hardware domain and domain 0 write without a prefix.
  const own = lines.filter((line) => {
    const said = PREFIX.exec(line);
    return said ? domids.has(Number(said[1])) : line.includes(tag);
  });
  return own.length > 0 || domids.size > 0 ? own.map((line) => line.replace(PREFIX, '')) : null;
}
