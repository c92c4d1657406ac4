/** What a guest file says, before anybody asks what it means. */

/** Both count from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

export type Value = Place &
  (
    | { readonly kind: 'string'; readonly text: string }
    | { readonly kind: 'number'; readonly text: string }
    | { readonly kind: 'list'; readonly items: readonly Value[] }
  );

export interface Assignment extends Place {
  readonly name: string;
  readonly operator: '=' | '+=';
  readonly value: Value;
}
