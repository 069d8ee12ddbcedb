import { createHash } from 'node:crypto';
import { recomputeVerdicts, type LoggedEvent, type Recomputed, type RolloutEvent } from '#libs/domain';
import type { HeadgateClient } from '../client.js';

export type { Recomputed };

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** The stream of a rollout, as far as it decides how evidence is folded and judged. */
const streamOf = async (client: HeadgateClient, rollout: string): Promise<readonly LoggedEvent[]> => {
  const events: LoggedEvent[] = [];
  for await (const { position, recordedAt, type, data } of client.allEvents({ stream: `rollout-${rollout}` }))
    events.push({ position, at: Date.parse(recordedAt), event: { type, data } as unknown as RolloutEvent });
  return events;
};

const looksOf = async (client: HeadgateClient, rollout: string) => {
  const looks = [];
  for await (const look of client.allLooks(rollout)) looks.push(look);
  return looks;
};

/** The verdicts that were recorded for a rollout, computed again here from its log and its stored looks. */
export const recomputed = async (
  client: HeadgateClient,
  rollout: string,
): Promise<{ readonly looks: number; readonly verdicts: readonly Recomputed[] }> => {
  const [events, looks] = [await streamOf(client, rollout), await looksOf(client, rollout)];
  return { looks: looks.length, verdicts: recomputeVerdicts(events, looks, sha256) };
};
