/** What ennead-rt offers beside the language itself: the few web globals that Node has too, so that service code runs in both. */
declare class TextEncoder {
  encode(text: string): Uint8Array;
}
declare class TextDecoder {
  constructor(label?: 'utf-8', options?: { fatal?: boolean });
  decode(bytes: Uint8Array): string;
}
declare const console: { log(...values: unknown[]): void; error(...values: unknown[]): void };
declare function setTimeout(handler: () => void, delayMs: number): number;
declare function clearTimeout(id: number): void;
declare function queueMicrotask(job: () => void): void;
