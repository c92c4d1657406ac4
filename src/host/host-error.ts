/** A host that did not do as it was asked; the message says what to look into. */
export class HostError extends Error {
  constructor(
    readonly code: 'already-running' | 'set-up-failed' | 'boot-failed' | 'not-running' | 'stop-forced',
    message: string,
  ) {
    super(message);
    this.name = 'HostError';
  }
}
