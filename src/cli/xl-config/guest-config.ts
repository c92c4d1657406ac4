/** What the settings of a guest file mean. Unknown keys are warnings, wrong values are errors; both name their place. */
import type { PvBoot } from '../../contracts/builder.ts';
import {
  type DiskConfig,
  type GuestAction,
  type GuestConfig,
  guestAction,
  guestConfig,
  type VifConfig,
} from '../../contracts/toolstack.ts';
import { type DeviceText, parseDisk, parseVif } from './device-text.ts';
import { ConfigError, parseArgument, parseFile, type SourcedAssignment } from './parse.ts';
import { type Settings, settingsOf } from './settings.ts';
import type { Value } from './syntax.ts';

export interface ReadConfig {
  readonly config: GuestConfig;
  readonly warnings: readonly string[];
}

const DEFAULT_KERNEL = 'pvgrub';

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
};

/** @throws ConfigError */
export function readGuestConfig(text: string, source: string, overrides: readonly string[] = []): ReadConfig {
  const assignments = [...parseFile(text, source), ...overrides.map(parseArgument)];
  return new Reader(settingsOf(assignments), source).read();
}

class Reader {
  private readonly warnings: string[] = [];
  private readonly used = new Set<string>();
  /** Field of GuestConfig → the setting that filled it, for messages. */
  private readonly origins = new Map<string, SourcedAssignment>();

  constructor(
    private readonly settings: Settings,
    private readonly source: string,
  ) {}

  read(): ReadConfig {
    this.checkType();
    const memoryMib = this.number('memory', 'memoryMib') ?? this.missing('memory');
    const vcpus = this.number('vcpus', 'vcpus') ?? 1;
    const maxmem = this.number('maxmem', 'memoryMib');
    if (maxmem !== undefined && maxmem !== memoryMib) this.warn('maxmem', 'ignored: the memory of a guest is fixed');
    const uuid = this.string('uuid', 'uuid');
    const config = {
      name: this.string('name', 'name') ?? this.missing('name'),
      ...(uuid === undefined ? {} : { uuid }),
      memoryMib,
      vcpus,
      boot: this.pvBoot(),
      disks: this.devices<DiskConfig>('disk', 'disks', parseDisk),
      vifs: this.devices<VifConfig>('vif', 'vifs', parseVif),
      onPoweroff: this.action('on_poweroff', 'destroy'),
      onReboot: this.action('on_reboot', 'restart'),
      onCrash: this.action('on_crash', 'destroy'),
    };
    for (const name of this.settings.keys())
      if (!this.used.has(name)) this.warn(name, `key ${name} is not known and is ignored`);
    return { config: this.checked(config), warnings: this.warnings };
  }

  private checkType(): void {
    const type = this.string('type');
    const builder = this.string('builder');
    if (type !== undefined && type !== 'pv') throw this.wrong('type', `${type} is not supported: only pv is`);
    if (builder !== undefined && builder !== 'generic' && builder !== 'linux')
      throw this.wrong('builder', `${builder} is not supported: guests are paravirtual`);
  }

  private pvBoot(): PvBoot {
    const ramdisk = this.string('ramdisk', 'ramdisk');
    return {
      type: 'pv',
      kernel: this.string('kernel', 'kernel') ?? DEFAULT_KERNEL,
      ...(ramdisk === undefined ? {} : { ramdisk }),
      cmdline: this.cmdline(),
    };
  }

  /** As xl: `cmdline` alone, or else `root` and `extra` together. */
  private cmdline(): string {
    const root = this.string('root', 'cmdline');
    const extra = this.string('extra', 'cmdline');
    const cmdline = this.string('cmdline', 'cmdline');
    if (cmdline === undefined) return [...(root ? [`root=${root}`] : []), ...(extra ? [extra] : [])].join(' ');
    for (const name of ['root', 'extra']) if (this.settings.has(name)) this.warn(name, 'ignored: cmdline is given');
    return cmdline;
  }

  private action(name: string, otherwise: GuestAction): GuestAction {
    const text = this.string(name) ?? otherwise;
    const action = guestAction.safeParse(text);
    if (!action.success) throw this.wrong(name, `${text} is not one of ${guestAction.options.join(', ')}`);
    return action.data;
  }

  private devices<T>(name: string, field: string, parse: (text: string) => DeviceText<T>): T[] {
    const setting = this.take(name, field);
    if (!setting) return [];
    if (setting.value.kind !== 'list') throw this.wrong(name, 'is not a list: [ "…", "…" ]');
    return setting.value.items.map((item) => {
      if (item.kind !== 'string') throw this.wrong(name, 'holds something that is not a string', item);
      const { device, error, ignored } = parse(item.text);
      if (device === undefined) throw this.wrong(name, error ?? 'cannot be understood', item);
      for (const what of ignored) this.warn(name, `${name} parameter ${what} is not known and is ignored`, item);
      return device;
    });
  }

  private string(name: string, field = name): string | undefined {
    const setting = this.take(name, field);
    if (!setting) return undefined;
    if (setting.value.kind === 'list') throw this.wrong(name, 'is a list where a single value belongs');
    return setting.value.text;
  }

  /** Decimal, 0x… or 0…, in quotes or without, as strtol reads them. */
  private number(name: string, field: string): number | undefined {
    const text = this.string(name, field);
    if (text === undefined) return undefined;
    if (/^0[0-7]+$/.test(text)) return Number.parseInt(text, 8);
    if (/^(\d+|0x[0-9a-f]+)$/.test(text)) return Number(text);
    throw this.wrong(name, `${JSON.stringify(text)} is not a number`);
  }

  private take(name: string, field: string): SourcedAssignment | undefined {
    const setting = this.settings.get(name);
    this.used.add(name);
    if (setting) this.origins.set(field, setting);
    return setting;
  }

  /** The contract's own bounds, with the place of what breaks them. */
  private checked(config: unknown): GuestConfig {
    const result = guestConfig.safeParse(config);
    if (result.success) return result.data;
    const field = String(fieldOf(result.error.issues[0]?.path ?? []));
    const name = this.origins.get(field)?.name ?? field;
    throw this.wrong(name, `must be ${RULES[field] ?? 'something else'}`);
  }

  private missing(name: string): never {
    throw new ConfigError(this.source, null, null, `${name} is missing`);
  }

  private wrong(name: string, what: string, at?: Value): ConfigError {
    const setting = this.settings.get(name);
    const place = at ?? setting?.value;
    const inFile = setting?.source === this.source;
    return new ConfigError(
      setting?.source ?? this.source,
      inFile ? (place?.line ?? null) : null,
      inFile ? (place?.column ?? null) : null,
      `${name} ${what}`,
    );
  }

  private warn(name: string, what: string, at?: Value): void {
    const setting = this.settings.get(name);
    if (!setting) return;
    const text = what.startsWith('ignored') ? `${name} is ${what}` : what;
    const place = setting.source === this.source ? `${setting.source}:${(at ?? setting).line}` : setting.source;
    this.warnings.push(`${place}: ${text}`);
  }
}

/** What boots the guest is a part of its own in GuestConfig; its settings are not. */
const fieldOf = ([first, second]: readonly PropertyKey[]): PropertyKey | undefined =>
  first === 'boot' ? second : first;
