/** A client VM of the kill test. All of it happens within the program's start, which may wait. */
import * as rt from 'ennead:rt';
import { numberParameter } from '../../../../src/contracts/boot-parameters.ts';
import { BOOTSTRAPPER_DOMID } from '../../../../src/contracts/domids.ts';
import { startService } from '../../../../src/kit/service.ts';
import { decodeText, encodeText } from '../../../../src/wire/xenstore-message.ts';
import { Random } from '../../../fuzz/random.ts';
import { Connection, packetOf } from '../../../virtual-store/connection.ts';
import { BELL, clientDomids, PHASE_NODE, type Phase, REPORT_NODE, readOrders, slotOf } from '../plan.ts';
import { demand, Load } from './load.ts';

const PHASE_TOKEN = 'phase';
/** Of a round. */
const OPERATIONS = 40;

startService('client', ({ parameters }) => {
  const domid = numberParameter(parameters, 'domid');
  const bell = rt.evtchnBindInterdomain(BOOTSTRAPPER_DOMID, numberParameter(parameters, BELL));
  const connection = new Connection();
  const load = new Load(connection, new Random(readOrders(parameters).seed + domid), domid);
  const others = clientDomids.filter((other) => other !== domid).map(slotOf);
  const run = ({ round, step }: Phase): void => {
    if (step === 'work') work(load, () => rt.evtchnNotify(bell));
    else if (step === 'quiet') for (const slot of others) connection.forget(slot);
    else if (step === 'last') last(connection, load, others, round);
    else settled(connection, [...others, ...Load.tokens]);
  };
  connection.exchange(packetOf('watch', [PHASE_NODE, PHASE_TOKEN]));
  const first = nextPhase(connection, null);
  load.begin();
  for (const slot of others) {
    connection.exchange(packetOf('watch', [slot, slot]));
    connection.awaitEvent(slot);
  }
  for (let text = first; ; text = nextPhase(connection, text)) {
    const phase: Phase = JSON.parse(text);
    run(phase);
    const { operations, increments } = load;
    connection.exchange(
      packetOf('write', [REPORT_NODE], encodeText(JSON.stringify({ ...phase, operations, increments }))),
    );
  }
});

function work(load: Load, onDone: () => void): void {
  for (let left = OPERATIONS; left > 0; left -= 1) {
    load.one();
    onDone();
  }
}

/** Nothing was told between `quiet` and this, so each event is of the change that is waited for. */
function last(connection: Connection, load: Load, others: readonly string[], round: number): void {
  const value = `last ${round}`;
  load.writeSlot(value);
  for (const slot of others) {
    connection.awaitEvent(slot);
    const read = decodeText(connection.exchange(packetOf('read', [slot])));
    demand(read === value, `${slot} is told of, and is ${read} instead of ${value}`);
  }
}

/** The event of this phase came after all others. */
function settled(connection: Connection, tokens: readonly string[]): void {
  for (const token of tokens) {
    const left = connection.forget(token);
    demand(left === 0, `${left} events too many of the watch ${token}`);
  }
}

function nextPhase(connection: Connection, before: string | null): string {
  for (;;) {
    connection.awaitEvent(PHASE_TOKEN);
    const text = connection.readIfThere(PHASE_NODE);
    if (text !== null && text !== before) return text;
  }
}
