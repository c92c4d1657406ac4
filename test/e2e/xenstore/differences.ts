/** Where Ennead's answers are not xenstored's, each with its reason: the only place that knows. Each is met by a program of fixed-programs.ts. */
import { messageTypes } from '../../../src/wire/xenstore-message.ts';
import type { Heard } from './heard.ts';
import { type Ask, GUESTS, type Step, type TypeName } from './program.ts';

export interface Disagreement {
  /** Its name. */
  readonly program: string;
  readonly step: Step;
  readonly ours: Heard;
  readonly reference: Heard;
  /** The step is in a transaction that is in conflict at its end, to xenstored, or that is given up. */
  readonly isLost: boolean;
}

export interface Difference {
  readonly name: string;
  readonly why: string;
  /** From here on the stores hold different things. */
  readonly ends: boolean;
  /** The answer may be the same, and other events before it. */
  readonly inEvents?: true;
  readonly explains: (disagreement: Disagreement) => boolean;
}

const answered =
  (ours: string, reference: string) =>
  (disagreement: Disagreement): boolean =>
    disagreement.ours.answer === ours && disagreement.reference.answer === reference;

const asksFor =
  (...types: readonly TypeName[]) =>
  ({ step }: Disagreement): boolean =>
    step.do === 'ask' && types.some((type) => messageTypes[type] === step.type);

const stringsOf = ({ payload }: Ask): string[] => payload.split('\0').slice(0, -1);

const controls =
  (...strings: readonly string[]) =>
  (it: Disagreement): boolean =>
    asksFor('control')(it) && it.step.do === 'ask' && `${stringsOf(it.step)}` === `${strings}`;

/** In it, one transaction may look at eight nodes. */
const LOOKS = 'nodes that a transaction looks at, up to the limit';
const SOFT_LINE = ' Total Xenstore memory per domain (warning level)';
const linesOf = ({ answer }: Heard): string[] => answer.split('\n');
const isSameLine = (start: string, { ours, reference }: Disagreement): boolean => {
  const line = linesOf(reference).find((one) => one.startsWith(start));
  return line !== undefined && linesOf(ours).includes(line);
};
const isOfBoth = (line: string): boolean => !/^(outstanding|memory) /.test(line);

/** Less than xenstored's limit by what else it counts. */
const LARGE_NODE_BYTES = 1900;
const DOMID_MAX = 0x7fef;
const isDomid = (text: string): boolean => /^\d{1,5}$/.test(text) && Number(text) <= DOMID_MAX;

export const differences: readonly Difference[] = [
  {
    name: 'what a transaction sees that cannot be committed any more',
    why: 'that depends on what it has looked at before. To xenstored it has looked at the nodes above as well, and at what it was refused',
    ends: false,
    explains: ({ isLost }) => isLost,
  },
  {
    name: 'commits where xenstored conflicts',
    why: 'a transaction that looked for a node which was not there is in conflict with whoever makes that node. To xenstored it has looked at all nodes above as well, and a node made beside is a conflict',
    ends: true,
    // Of its own changes.
    inEvents: true,
    explains: (it) => asksFor('transactionEnd')(it) && answered('+OK~', '-EAGAIN')(it),
  },
  {
    name: 'numbers are decimal, domids are below 32752',
    why: 'xenstored takes what atoi() makes of anything: `x` is domain 0, `16x` is 16',
    ends: false,
    explains: (it) => {
      if (controls('quota', 'x')(it)) return it.ours.answer === '-ENOENT';
      if (it.ours.answer !== '-EINVAL' || it.step.do !== 'ask') return false;
      if (asksFor('directoryPart')(it)) return !/^\d{1,9}$/.test(stringsOf(it.step)[1] ?? '');
      return asksFor('getDomainPath', 'isDomainIntroduced', 'resume')(it) && !stringsOf(it.step).every(isDomid);
    },
  },
  {
    name: 'permissions name domids in decimal',
    why: 'xenstored takes what strtol() takes: blanks, signs, other bases; the domain may be none',
    ends: true,
    explains: (it) =>
      it.step.do === 'ask' &&
      asksFor('setPerms')(it) &&
      it.ours.answer === '-EINVAL' &&
      stringsOf(it.step).some((text, index) => index > 0 && /^[nrwb][ +-]/.test(text)),
  },
  {
    name: 'nobody is domain 0',
    why: 'Ennead has none once it has booted; to xenstored it is always there, and EINVAL to who would resume or release it',
    ends: false,
    explains: (it) =>
      (asksFor('resume', 'release')(it) && answered('-ENOENT', '-EINVAL')(it)) ||
      (asksFor('isDomainIntroduced')(it) &&
        answered('+F~', '+T~')(it) &&
        it.step.do === 'ask' &&
        stringsOf(it.step)[0] === '0'),
  },
  {
    name: 'nothing stands behind the last string',
    why: 'xenstored passes over what follows it in a WATCH, UNWATCH, SET_PERMS or DIRECTORY_PART',
    ends: true,
    explains: (it) =>
      it.step.do === 'ask' &&
      asksFor('watch', 'unwatch', 'setPerms', 'directoryPart')(it) &&
      it.ours.answer === '-EINVAL' &&
      !it.step.payload.endsWith('\0'),
  },
  {
    name: 'special paths have a name',
    why: 'xenstored lets anything be watched that begins with an @',
    ends: true,
    explains: (it) =>
      it.step.do === 'ask' &&
      asksFor('watch')(it) &&
      answered('-EINVAL', '+OK~')(it) &&
      /^@($|.*[^A-Za-z0-9-/_@])/.test(stringsOf(it.step)[0] ?? ''),
  },
  {
    name: 'a transaction has looked at what it asked for',
    why: 'xenstored counts the node above one that is not there as well: it had to look for the permissions',
    ends: false,
    explains: (it) =>
      it.program === LOOKS && it.step.do === 'ask' && it.step.payload === 'n7\0' && answered('-ENOENT', '-ENOSPC')(it),
  },
  {
    name: 'a transaction that was refused a look may end',
    why: 'its client knows from the refusal; xenstored spoils the transaction, and says so only at its end',
    ends: true,
    explains: (it) => it.program === LOOKS && answered('+OK~', '-ENOMEM')(it),
  },
  {
    name: 'commands are those of this server',
    why: 'make, domids and starts are of the privileged here; those of xenstored that are missing have their reasons in the README of XenStore-Logic',
    ends: false,
    explains: (it) =>
      (controls('help')(it) && ['quota', 'quota-soft', 'help'].every((name) => isSameLine(`${name}\t`, it))) ||
      (controls('check')(it) && answered('-EINVAL', '+OK~')(it)),
  },
  {
    name: 'memory is counted and bounded in another way, and requests wait in their rings',
    why: 'all guests together have to find room in the VM of XenStore-State (docs/decisions/0018); a ring is not read before its last answer is out',
    ends: false,
    explains: (it) =>
      (controls('quota', String(GUESTS[0]))(it) &&
        ['nodes', 'watches', 'transactions'].every((name) => isSameLine(name, it))) ||
      (controls('quota-soft')(it) && it.ours.answer.includes(SOFT_LINE) && it.reference.answer.includes(SOFT_LINE)) ||
      (controls('quota')(it) &&
        linesOf(it.reference)
          .filter(isOfBoth)
          .every((line) => linesOf(it.ours).includes(line))),
  },
  {
    name: 'a limit is a decimal number within bounds',
    why: 'whatever is set, XenStore-State lives in its VM; xenstored takes what atoi() makes of anything, from 1',
    ends: true,
    explains: (it) =>
      answered('-EINVAL', '+OK~')(it) &&
      (controls('quota', 'set', 'nodes', '1000x')(it) || controls('quota', 'set', 'path-max', '2049')(it)),
  },
  {
    name: 'a client may begin a new conversation by itself',
    why: 'docs/misc/xenstore-ring.txt describes it, oxenstored does it; xenstored 4.17 offers no feature and looks at the word when the domain is introduced',
    ends: true,
    explains: answered('features 3, connection 0', 'features 0, connection 1'),
  },
  {
    name: '128 watches are 128, ten transactions are ten',
    why: 'xenstored compares before it counts the new one: 129 and 11',
    ends: true,
    // Of watches, each one more is told, too.
    inEvents: true,
    explains: ({ program }) => ['watches up to the limit', 'transactions up to the limit'].includes(program),
  },
  {
    name: 'a node is as large as its value',
    why: 'xenstored counts the names of its children, its permissions and a header as well',
    ends: true,
    // Who watches it is told that it is there.
    inEvents: true,
    explains: (it) =>
      it.step.do === 'ask' &&
      asksFor('write', 'mkdir')(it) &&
      answered('+OK~', '-ENOSPC')(it) &&
      it.step.payload.length > LARGE_NODE_BYTES,
  },
  {
    name: 'what a transaction makes counts in it',
    why: 'xenstored counts what the domain had before the transaction, and looks again at its end; memory is less here (src/contracts/xenstore-limits.ts)',
    ends: true,
    explains: (it) => it.program === 'nodes made in a transaction up to the limit' && answered('-ENOMEM', '+OK~')(it),
  },
];
