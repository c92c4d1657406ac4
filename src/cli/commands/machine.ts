/** A guest's buttons, its SysRq, and the CD drives of an emulated PC. */
import { Argument, type Command } from 'commander';
import { driveName } from '../../contracts/device-model.ts';
import { sysrqLetter } from '../../contracts/toolstack.ts';
import { volumeName } from '../../contracts/volumes.ts';
import type { CliEnvironment } from '../environment.ts';
import { CliError } from '../exit-codes.ts';
import { LONG_CALL_MS, withToolstack } from '../toolstack-client.ts';
import { reference } from './guest-reference.ts';
import { examples, json, type Output, print } from './output.ts';

const GUEST = 'its name or domid';
/** xl's words → ours. */
const triggers = {
  power: { method: 'guest.powerButton', done: (guest: string) => `the power button of ${guest} is pressed\n` },
  reset: { method: 'guest.reset', done: (guest: string) => `guest ${guest} is reset\n` },
} as const;
type Trigger = keyof typeof triggers;

export function addMachineCommands(program: Command, environment: CliEnvironment): void {
  addButtons(program, environment);
  addSysrq(program, environment);
  addMedia(program, environment);
}

function addButtons(program: Command, environment: CliEnvironment): void {
  const press = async (guest: string, trigger: Trigger, output: Output): Promise<void> => {
    const { method, done } = triggers[trigger];
    const params = { guest: reference(guest) };
    await withToolstack(environment, (toolstack) => toolstack.call(method, params, LONG_CALL_MS));
    print(environment, output, {}, () => done(guest));
  };
  program
    .command('trigger')
    .description('press the power button of an emulated PC, or reset a guest')
    .argument('<guest>', GUEST)
    .addArgument(new Argument('<button>', 'which one').choices(Object.keys(triggers)))
    .addOption(json())
    .addHelpText('after', examples('ennead trigger windows power', 'ennead trigger windows reset'))
    .action(press);
  program
    .command('button-press')
    .description("xl's older word for: trigger GUEST power")
    .argument('<guest>', GUEST)
    .addArgument(new Argument('<button>', 'which one').choices(['power']))
    .addOption(json())
    .addHelpText('after', examples('ennead button-press windows power'))
    .action(press);
  program
    .command('reset')
    .description('end a guest at once as if it had rebooted; its on_reboot says what follows')
    .argument('<guest>', GUEST)
    .addOption(json())
    .addHelpText('after', examples('ennead reset windows'))
    .action((guest: string, output: Output) => press(guest, 'reset', output));
}

function addSysrq(program: Command, environment: CliEnvironment): void {
  program
    .command('sysrq')
    .description("press a key of Linux's SysRq; the guest's console shows what comes of it")
    .argument('<guest>', GUEST)
    .argument('<letter>', 'such as s (sync) or t (tasks); h lists them', sysrqKey)
    .addOption(json())
    .addHelpText('after', examples('ennead sysrq web h', 'ennead sysrq web s'))
    .action(async (guest: string, letter: string, output: Output) => {
      const params = { guest: reference(guest), letter };
      await withToolstack(environment, (toolstack) => toolstack.call('guest.sysrq', params, LONG_CALL_MS));
      print(environment, output, {}, () => `SysRq ${letter} is sent to ${guest}\n`);
    });
}

function addMedia(program: Command, environment: CliEnvironment): void {
  const change = (guest: string, vdev: string, volume: string | null): Promise<unknown> => {
    const params = { guest: reference(guest), vdev, volume };
    return withToolstack(environment, (toolstack) => toolstack.call('media.change', params, LONG_CALL_MS));
  };
  program
    .command('cd-insert')
    .description('put a volume into a CD drive of an emulated PC, instead of what is in it')
    .argument('<guest>', GUEST)
    .argument('<vdev>', "the drive's name in the guest's file, such as hdc", drive)
    .argument('<volume>', 'the medium', medium)
    .addOption(json())
    .addHelpText('after', examples('ennead cd-insert windows hdc drivers-iso'))
    .action(async (guest: string, vdev: string, volume: string, output: Output) => {
      await change(guest, vdev, volume);
      print(environment, output, {}, () => `volume ${volume} is in drive ${vdev} of ${guest}\n`);
    });
  program
    .command('cd-eject')
    .description('take the medium out of a CD drive of an emulated PC')
    .argument('<guest>', GUEST)
    .argument('<vdev>', "the drive's name in the guest's file, such as hdc", drive)
    .addOption(json())
    .addHelpText('after', examples('ennead cd-eject windows hdc'))
    .action(async (guest: string, vdev: string, output: Output) => {
      await change(guest, vdev, null);
      print(environment, output, {}, () => `drive ${vdev} of ${guest} is empty\n`);
    });
}

function sysrqKey(text: string): string {
  if (sysrqLetter.safeParse(text).success) return text;
  throw new CliError('usage', `${JSON.stringify(text)} is no key of SysRq: that is one letter, or one digit`);
}

function drive(text: string): string {
  if (driveName.safeParse(text).success) return text;
  throw new CliError('usage', `no drive is called ${text}: there are hda to hdd (IDE) and sda to sdf (SATA)`);
}

function medium(text: string): string {
  if (volumeName.safeParse(text).success) return text;
  throw new CliError('usage', `${text} cannot be the name of a volume; see: ennead volume list`);
}
