import type { Connection } from './connection.js';

export type AcknowledgementStats = {
  done: number;
  failed: number;
  /** The newest attempt was taken. */ heard: boolean;
};

/** Tells the controller which generation an instance evaluates with; the same call is its heartbeat. */
export type Acknowledger = {
  readonly acknowledge: (generation: number) => Promise<void>;
  /** Whether this generation is still unsaid and the last attempt is long enough ago. */
  readonly due: (generation: number) => boolean;
  readonly stats: Readonly<AcknowledgementStats>;
};

const AGAIN_MS = 500;

/** @param onNew called when a generation was acknowledged for the first time */
export const createAcknowledger = (
  connection: Connection,
  target: string,
  instance: string,
  onNew: (generation: number) => void,
): Acknowledger => {
  const path = `/v1/targets/${encodeURIComponent(target)}/instances/${encodeURIComponent(instance)}`;
  const stats: AcknowledgementStats = { done: 0, failed: 0, heard: false };
  let acknowledged = -1;
  let triedAt = 0;

  const acknowledge = async (generation: number): Promise<void> => {
    triedAt = Date.now();
    const done = await connection.call({ method: 'PUT', path, body: JSON.stringify({ generation }) }).then(
      ({ status }) => status >= 200 && status < 300,
      () => false,
    );
    stats.heard = done;
    if (!done) {
      stats.failed += 1;
      return;
    }
    stats.done += 1;
    if (generation <= acknowledged) return;
    acknowledged = generation;
    onNew(generation);
  };
  const due = (generation: number): boolean => generation !== acknowledged && Date.now() - triedAt > AGAIN_MS;
  return { acknowledge, due, stats };
};
