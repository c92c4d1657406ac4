import { expect, it } from 'vitest';
import { parseXenUsage } from './xen-keys.ts';

/** As Xen 4.17 prints it, with a line of a service in between. */
const ANSWER = `(XEN) 'e' pressed -> dumping event-channel info
(XEN) Event channel information for domain 3:
(XEN) Polling vCPUs: {}
(XEN)     port [p/m/s]
(XEN)        1 [0/1/ -   ]: s=5 n=0 x=0 v=0
(XEN)        2 [0/0/0]: s=3 n=0 x=0 d=2 p=3 Z=system_u:object_r:xenstore_logic_t-xenstore_state_t_event
(d6) ennead[netback]: 12 [0/0/ is not Xen's
(XEN)       10 [1/0/B 7   ]: s=2 n=0 x=0 d=16
(XEN) Event channel information for domain 4:
(XEN) Polling vCPUs: {}
(XEN)     port [p/m/s]
(XEN) gnttab_usage_print_all [ key 'g' pressed
(XEN)       -------- active --------       -------- shared --------
(XEN) [ref] localdom mfn      pin          localdom gmfn     flags
(XEN) grant-table for remote d3 (v1)
(XEN)   1 frames (64 max), 1 maptrack frames (1024 max)
(XEN) no active grant table entries
(XEN)       -------- active --------       -------- shared --------
(XEN) [ref] localdom mfn      pin          localdom gmfn     flags
(XEN) grant-table for remote d4 (v1)
(XEN)   1 frames (64 max), 1 maptrack frames (1024 max)
(XEN) [0x000]      5 0x07ff8f 0x00000001          5 0x000046 0x19
(XEN) [0x1ff]      3 0x07ff90 0x00000001          3 0x000047 0x19
(XEN) gnttab_usage_print_all ] done
`;

it('counts what Xen prints, for each domain that it names', () => {
  expect(parseXenUsage(ANSWER.replaceAll('\n', '\r\n'))).toEqual({
    eventChannels: { 3: 3, 4: 0 },
    grants: { 3: 0, 4: 2 },
  });
});
