import { createHash } from 'node:crypto';
import type { EventView } from '#libs/contracts';
import {
  backtest,
  isNewStop,
  readRolloutEvent,
  recomputeParities,
  recomputeVerdicts,
  type Backtested,
  type JudgingPlan,
  type LoggedEvent,
  type Recomputed,
  type RecomputedParity,
} from '#libs/domain';
import type { HeadgateClient } from '../client.js';
import { CliError } from '../errors.js';
import { EXIT } from '../exit-codes.js';

export { isNewStop };
export type { Backtested, JudgingPlan, Recomputed, RecomputedParity };

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

const logged = ({ position, recordedAt, type, data }: EventView): LoggedEvent => {
  const event = readRolloutEvent(type, data);
  if (event === undefined)
    throw new CliError(`Event ${position} (${type}) cannot be read here.`, EXIT.unexpected, {
      next: "use the command line of the controller's own release",
    });
  return { position, at: Date.parse(recordedAt), event };
};

/** The stream of a rollout, as far as it decides how evidence is folded and judged. */
const streamOf = async (client: HeadgateClient, rollout: string): Promise<readonly LoggedEvent[]> => {
  const events: LoggedEvent[] = [];
  for await (const event of client.allEvents({ stream: `rollout-${rollout}` })) events.push(logged(event));
  return events;
};

/** Streams of the rollouts that were planned after a position, of one config or of all, in the order of their starts. */
const streamsSince = async (
  client: HeadgateClient,
  after: number,
  config: string | undefined,
): Promise<readonly (readonly [rollout: string, events: readonly LoggedEvent[]])[]> => {
  const streams = new Map<string, LoggedEvent[]>();
  for await (const event of client.allEvents({}, after)) {
    const rollout = event.stream.startsWith('rollout-') ? event.stream.slice('rollout-'.length) : undefined;
    if (rollout === undefined) continue;
    const { event: decoded } = logged(event);
    const isStart = decoded.type === 'RolloutPlanned' && (config === undefined || decoded.data.config === config);
    if (isStart) streams.set(rollout, []);
    streams.get(rollout)?.push(logged(event));
  }
  return [...streams];
};

const looksOf = async (client: HeadgateClient, rollout: string) => {
  const looks = [];
  for await (const look of client.allLooks(rollout)) looks.push(look);
  return looks;
};

/** The verdicts that were recorded for a rollout, computed again here from its log and its stored looks; parity from its counts. */
export const recomputed = async (
  client: HeadgateClient,
  rollout: string,
): Promise<{
  readonly looks: number;
  readonly verdicts: readonly Recomputed[];
  readonly parities: readonly RecomputedParity[];
}> => {
  const [events, looks] = [await streamOf(client, rollout), await looksOf(client, rollout)];
  return {
    looks: looks.length,
    verdicts: recomputeVerdicts(events, looks, sha256),
    parities: recomputeParities(events),
  };
};

/** What a plan would have stopped of the rollouts that were started after a position; `progress` is told of each. */
export const backtested = async (
  client: HeadgateClient,
  plan: JudgingPlan,
  since: { readonly after: number; readonly config: string | undefined },
  progress: (done: number, all: number) => void,
): Promise<readonly Backtested[]> => {
  const streams = await streamsSince(client, since.after, since.config);
  const results: Backtested[] = [];
  for (const [rollout, events] of streams) {
    const looks = (await looksOf(client, rollout)).map((look) => ({ ...look, at: Date.parse(look.at) }));
    results.push(backtest(events, looks, plan));
    progress(results.length, streams.length);
  }
  return results;
};
