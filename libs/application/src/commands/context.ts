import type { Actor } from '#libs/kernel';

/** Who asks for what, as an edge hands it over. */
export type CommandContext = {
  readonly actor: Actor;
  /** Accepted once: a repetition gets the first outcome. */
  readonly commandId: string;
  /** Tells a repetition from another command under the same id. */
  readonly fingerprint: string;
  readonly correlationId: string;
  readonly causationId?: string;
  readonly traceparent?: string;
  readonly reason?: string;
  /** Stream version that the caller has seen (If-Match); the command is refused when the stream has moved on. */
  readonly expectedVersion?: number;
};

export const automation = (commandId: string, causationId?: string): CommandContext => ({
  actor: { kind: 'automation', name: 'headgate' },
  commandId,
  fingerprint: commandId,
  correlationId: commandId,
  ...(causationId === undefined ? {} : { causationId }),
});
