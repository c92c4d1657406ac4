const CHARACTERS_MAX = 200;

/** Text of a guest or of its Qemu VM, for the operator's terminal: no control characters that would steer it. */
export const printable = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: exactly those
  text.replaceAll(/[\x00-\x1f\x7f-\x9f]/g, '').slice(0, CHARACTERS_MAX);
