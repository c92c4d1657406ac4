/** Xen's own count of event channels and grants, by the debug keys that it takes on the serial line. */
import { connect } from 'node:net';
import { hostDirectory } from '../../src/host/host-directory.ts';

/** By domid. */
type Counts = Readonly<Record<string, number>>;

export interface XenUsage {
  /** Ports that are not free: bound ones, and those that wait for their other end. */
  readonly eventChannels: Counts;
  /** Pages of the domain that somebody has mapped or is copying. */
  readonly grants: Counts;
}

const ANSWER_TIMEOUT_MS = 60_000;
/** @source xen/common/event_channel.c, dump_evtchn_info; it prints no last line of its own */
const EVENT_CHANNELS_BEGIN = /'e' pressed -> dumping event-channel info/;
/** @source xen/common/grant_table.c, gnttab_usage_print_all */
const GRANTS_END = /gnttab_usage_print_all \] done/;

/**
 * Xen remembers one key only until it begins to answer: so the second is typed when the answer to the first has begun. It is read from the
 * socket, because QEMU writes some characters into the log twice while somebody listens.
 */
export async function xenUsage(): Promise<XenUsage> {
  const line = connect(hostDirectory().serial).setEncoding('latin1');
  const timer = setTimeout(() => line.destroy(new Error('Xen does not answer its debug keys')), ANSWER_TIMEOUT_MS);
  let text = '';
  let asksForGrants = false;
  try {
    line.write('e');
    for await (const chunk of line) {
      text += chunk;
      if (GRANTS_END.test(text)) return parseXenUsage(text);
      if (asksForGrants || !EVENT_CHANNELS_BEGIN.test(text)) continue;
      asksForGrants = true;
      line.write('g');
    }
    throw new Error(`the serial line ended in the middle of Xen's answer:\n${text}`);
  } finally {
    clearTimeout(timer);
    line.destroy();
  }
}

/** `text`: both answers, and whatever else went over the line meanwhile. */
export function parseXenUsage(text: string): XenUsage {
  return {
    eventChannels: counts(text, /Event channel information for domain (\d+):/, /^\(XEN\) +\d+ \[\d+\/\d+\//gm),
    grants: counts(text, /grant-table for remote d(\d+) \(v\d\)/, /^\(XEN\) \[0x[0-9a-f]+\] /gm),
  };
}

/** Each domain's part begins with its heading. */
function counts(text: string, heading: RegExp, entry: RegExp): Counts {
  const [, ...parts] = text.split(heading);
  const found: Record<string, number> = {};
  for (let at = 0; at + 1 < parts.length; at += 2)
    found[parts[at]!] = Array.from(parts[at + 1]!.matchAll(entry)).length;
  return found;
}
