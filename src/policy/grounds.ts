/** An allow rule, and the reason it exists. */
import type { DomainName } from '../kit/manifest.ts';

export interface Rule {
  readonly source: string;
  readonly target: string;
  readonly class: string;
  readonly permissions: readonly string[];
}

/** Rules that exist for one reason, stated by one entry of one manifest. */
export interface Grounds {
  readonly by: DomainName;
  readonly why: string;
  readonly rules: readonly Rule[];
}

export const words = (text: string): string[] => text.split(/\s+/).filter(Boolean);

/** `permissions` are separated by blanks. */
export const rule = (source: string, target: string, className: string, permissions: string): Rule => ({
  source,
  target,
  class: className,
  permissions: words(permissions),
});
