/** What the settings of a guest file mean. Unknown keys are warnings, wrong values are errors; both name their place. */
import { PV_GRUB, type PvBoot, type PvhBoot } from '../../contracts/builder.ts';
import {
  type DiskConfig,
  type GuestConfig,
  guestAction,
  guestConfig,
  type VifConfig,
} from '../../contracts/toolstack.ts';
import { parseDisk, parseVif } from './device-text.ts';
import { hvmBoot } from './hvm-boot.ts';
import { type ConfigError, parseArgument, parseFile } from './parse.ts';
import { SettingReader } from './setting-reader.ts';
import { settingsOf } from './settings.ts';

export interface ReadConfig {
  readonly config: GuestConfig;
  readonly warnings: readonly string[];
}

/** What a value must be, by the field of GuestConfig that it fills. */
const RULES: Readonly<Record<string, string>> = {
  name: 'up to 63 letters, digits, dots, dashes and underscores, beginning with a letter or a digit',
  uuid: 'a UUID in lower case, like 6f1c0a3e-8d5b-4c7a-9e21-0b3d5f7a9c1e',
  memoryMib: 'between 8 and 65536 (MiB)',
  vcpus: 'between 1 and 32',
  kernel: "a name in Builder's list of known-good images, such as pvgrub",
  ramdisk: "a name in Builder's list of known-good images",
  cmdline: 'at most 900 printable characters',
  disks: 'at most 16 disks',
  vifs: 'at most 8 network interfaces',
  clockOffsetSeconds: 'between -2147483647 and 2147483647 (seconds)',
  drives: 'at most 10 drives',
  cards: 'at most 8 network cards',
};

/** How far local time is before UTC now, in seconds. */
const operatorsZone = (): number => -new Date().getTimezoneOffset() * 60;

/** `zoneSeconds`: for `localtime`. @throws ConfigError */
export function readGuestConfig(
  text: string,
  source: string,
  overrides: readonly string[] = [],
  zoneSeconds = operatorsZone(),
): ReadConfig {
  const assignments = [...parseFile(text, source), ...overrides.map(parseArgument)];
  const reader = new SettingReader(settingsOf(assignments), source);
  const config = checked(reader, configOf(reader, zoneSeconds));
  return { config, warnings: reader.warnings };
}

function configOf(reader: SettingReader, zoneSeconds: number) {
  const type = typeOf(reader);
  const memoryMib = reader.number('memory', 'memoryMib') ?? reader.missing('memory');
  const vcpus = reader.number('vcpus') ?? 1;
  const maxmem = reader.number('maxmem', 'memoryMib');
  if (maxmem !== undefined && maxmem !== memoryMib) reader.warn('maxmem', 'ignored: the memory of a guest is fixed');
  const uuid = reader.string('uuid');
  const config = {
    name: reader.string('name') ?? reader.missing('name'),
    ...(uuid === undefined ? {} : { uuid }),
    memoryMib,
    vcpus,
    ...(type !== 'hvm' ? pvParts(reader, type) : { boot: hvmBoot(reader, zoneSeconds), disks: [], vifs: [] }),
    onPoweroff: reader.oneOf('on_poweroff', guestAction.options, 'destroy'),
    onReboot: reader.oneOf('on_reboot', guestAction.options, 'restart'),
    onCrash: reader.oneOf('on_crash', guestAction.options, 'destroy'),
  };
  reader.ignoreTheRest();
  return config;
}

/** xl's older word for the type is `builder`, which counts only where there is no `type`. */
function typeOf(reader: SettingReader): GuestConfig['boot']['type'] {
  const type = reader.string('type');
  const builder = reader.string('builder');
  if (type !== undefined && type !== 'pv' && type !== 'pvh' && type !== 'hvm')
    throw reader.wrong('type', `${type} is not supported: pv, pvh and hvm are`);
  if (builder !== undefined && builder !== 'generic' && builder !== 'linux' && builder !== 'hvm')
    throw reader.wrong('builder', `${builder} is not supported: generic, linux (both for type pv) and hvm are`);
  const byBuilder = builder === 'hvm' ? 'hvm' : 'pv';
  if (builder !== undefined && type !== undefined && type !== byBuilder)
    reader.warn('builder', `ignored: type is ${type}`);
  return type ?? byBuilder;
}

function pvParts(
  reader: SettingReader,
  type: 'pv' | 'pvh',
): Pick<GuestConfig, 'disks' | 'vifs'> & { boot: PvBoot | PvhBoot } {
  const ramdisk = reader.string('ramdisk');
  return {
    boot: {
      type,
      kernel: reader.string('kernel') ?? PV_GRUB,
      ...(ramdisk === undefined ? {} : { ramdisk }),
      cmdline: cmdline(reader),
    },
    disks: reader.devices<DiskConfig>('disk', 'disks', parseDisk),
    vifs: reader.devices<VifConfig>('vif', 'vifs', parseVif),
  };
}

/** As xl: `cmdline` alone, or else `root` and `extra` together. */
function cmdline(reader: SettingReader): string {
  const root = reader.string('root', 'cmdline');
  const extra = reader.string('extra', 'cmdline');
  const whole = reader.string('cmdline');
  if (whole === undefined) return [...(root ? [`root=${root}`] : []), ...(extra ? [extra] : [])].join(' ');
  for (const name of ['root', 'extra']) reader.warn(name, 'ignored: cmdline is given');
  return whole;
}

/** The contract's own bounds, with the place of what breaks them. */
function checked(reader: SettingReader, config: unknown): GuestConfig {
  const result = guestConfig.safeParse(config);
  if (result.success) return result.data;
  const field = fieldOf(result.error.issues[0]?.path ?? []);
  throw wrongField(reader, field);
}

const wrongField = (reader: SettingReader, field: string): ConfigError =>
  reader.wrong(reader.originOf(field), `must be ${RULES[field] ?? 'something else'}`);

/** What boots the guest is a part of its own in GuestConfig, and its emulated PC one in that; the settings are not. */
const fieldOf = (path: readonly PropertyKey[]): string =>
  String(path.find((part) => part !== 'boot' && part !== 'machine'));
