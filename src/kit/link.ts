/** A stream of whole messages between two domains. Made by src/kit/link-offer.ts (client) and src/kit/link-accept.ts (server). */
export interface MessageLink {
  /** The domid Xen vouches for. */
  readonly peer: number;
  /** Queued without blocking; a queue over its limit closes the link. */
  send(message: Uint8Array): void;
  /** Resolves when the peer has taken everything sent so far, or when the link has closed: for whoever has more to say than the queue holds. */
  drained(): Promise<void>;
  onMessage(handler: (message: Uint8Array) => void): void;
  /** Once: the peer broke the protocol, went away, or `close` was called. */
  onClosed(handler: (why: string) => void): void;
  close(): void;
}
