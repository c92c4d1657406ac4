/** Settings, read one by one: what kind of value each is, which ones nobody has asked for, and where to point when one is wrong. */
import type { DeviceText } from './device-text.ts';
import { ConfigError, type SourcedAssignment } from './parse.ts';
import type { Settings } from './settings.ts';
import type { Value } from './syntax.ts';

export class SettingReader {
  readonly warnings: string[] = [];
  private readonly used = new Set<string>();
  /** Field of GuestConfig → the setting that filled it, for messages. */
  private readonly origins = new Map<string, SourcedAssignment>();

  constructor(
    private readonly settings: Settings,
    private readonly source: string,
  ) {}

  has(name: string): boolean {
    return this.settings.has(name);
  }

  string(name: string, field = name): string | undefined {
    const setting = this.take(name, field);
    if (!setting) return undefined;
    if (setting.value.kind === 'list') throw this.wrong(name, 'is a list where a single value belongs');
    return setting.value.text;
  }

  /** Decimal, 0x… or 0…, in quotes or without, as strtol reads them. */
  number(name: string, field = name): number | undefined {
    const text = this.string(name, field);
    return text === undefined ? undefined : this.parsed(name, text, text);
  }

  /** The same, and may have a minus before it: in quotes, as the syntax knows no such number. */
  signedNumber(name: string, field = name): number | undefined {
    const text = this.string(name, field);
    if (text === undefined) return undefined;
    return text.startsWith('-') ? -this.parsed(name, text, text.slice(1)) : this.parsed(name, text, text);
  }

  /** 0 or 1. */
  flag(name: string, otherwise: boolean): boolean {
    const number = this.number(name);
    if (number === undefined) return otherwise;
    if (number > 1) throw this.wrong(name, `${number} is neither 0 nor 1`);
    return number === 1;
  }

  oneOf<T extends string>(name: string, words: readonly T[], otherwise: T): T {
    const text = this.string(name) ?? otherwise;
    const word = words.find((known) => known === text);
    if (word === undefined) throw this.wrong(name, `${text} is not one of ${words.join(', ')}`);
    return word;
  }

  /** A single value counts as a list of one. */
  strings(name: string): readonly string[] {
    const value = this.take(name, name)?.value;
    if (!value) return [];
    return value.kind === 'list' ? value.items.map((item) => this.text(name, item)) : [value.text];
  }

  devices<T>(name: string, field: string, parse: (text: string) => DeviceText<T>): T[] {
    const setting = this.take(name, field);
    if (!setting) return [];
    if (setting.value.kind !== 'list') throw this.wrong(name, 'is not a list: [ "…", "…" ]');
    return setting.value.items.map((item) => {
      const { device, error, ignored } = parse(this.text(name, item));
      if (device === undefined) throw this.wrong(name, error ?? 'cannot be understood', item);
      for (const what of ignored) this.warn(name, `${name} parameter ${what} is not known and is ignored`, item);
      return device;
    });
  }

  /** A warning for each of them that is there and says more than 0 or nothing. */
  ignore(names: readonly string[], why: string): void {
    for (const name of names) {
      const value = this.take(name, name)?.value;
      if (value && (value.kind === 'list' || !/^0?$/.test(value.text))) this.warn(name, `ignored: ${why}`);
    }
  }

  ignoreTheRest(): void {
    for (const name of this.settings.keys())
      if (!this.used.has(name)) this.warn(name, `key ${name} is not known and is ignored`);
  }

  warn(name: string, what: string, at?: Value): void {
    const setting = this.settings.get(name);
    if (!setting) return;
    const text = what.startsWith('ignored') ? `${name} is ${what}` : what;
    const place = setting.source === this.source ? `${setting.source}:${(at ?? setting).line}` : setting.source;
    this.warnings.push(`${place}: ${text}`);
  }

  missing(name: string): never {
    throw new ConfigError(this.source, null, null, `${name} is missing`);
  }

  wrong(name: string, what: string, at?: Value): ConfigError {
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

  /** The setting that filled a field of GuestConfig; the field's own name where none did. */
  originOf(field: string): string {
    return this.origins.get(field)?.name ?? field;
  }

  private parsed(name: string, text: string, digits: string): number {
    if (/^0[0-7]+$/.test(digits)) return Number.parseInt(digits, 8);
    if (/^(\d+|0x[0-9a-f]+)$/.test(digits)) return Number(digits);
    throw this.wrong(name, `${JSON.stringify(text)} is not a number`);
  }

  private text(name: string, item: Value): string {
    if (item.kind === 'string') return item.text;
    throw this.wrong(name, 'holds something that is not a string', item);
  }

  private take(name: string, field: string): SourcedAssignment | undefined {
    const setting = this.settings.get(name);
    this.used.add(name);
    if (setting) this.origins.set(field, setting);
    return setting;
  }
}
