import { createHash } from 'node:crypto';
import type { EventView } from '#libs/contracts';
import {
  asHeadgateEvent,
  backtest,
  eventCodec,
  isNewStop,
  readRolloutEvent,
  recomputeParities,
  recomputeVerdicts,
  type Backtested,
  type JudgingPlan,
  type KeptLook,
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

/** The verdicts of a pack computed again, and the places at which its looks do not fit what a verdict names. */
export type PackedVerdicts = {
  readonly looks: number;
  readonly verdicts: readonly Recomputed[];
  readonly parities: readonly RecomputedParity[];
  /** In words; empty where each verdict names the digest of the looks up to it. */
  readonly unbound: readonly string[];
  /** Whether looks of an hour are one. */
  readonly isCompacted: boolean;
};

type RecordedBody = Parameters<typeof eventCodec.decode>[0];

/** Digests are chained over the looks in order; a verdict names the one up to its look. */
const unboundLooks = (events: readonly LoggedEvent[], looks: readonly KeptLook[]): readonly string[] => {
  const chained: { readonly look: number; readonly digest: string }[] = [{ look: 0, digest: '' }];
  const unbound: string[] = [];
  for (const { look, cells, digest, compacted } of looks) {
    if (sha256(cells) !== digest) unbound.push(`look ${look}: its digest does not fit its counts`);
    chained.push({ look, digest: compacted?.chain ?? sha256((chained.at(-1)?.digest ?? '') + digest) });
  }
  let named = 0;
  for (const { event, position } of events) {
    if (event.type !== 'VerdictRecorded') continue;
    const { look, digest } = event.data.verdict;
    named = Math.max(named, look);
    const folded = chained.findLast((each) => each.look <= look)?.digest;
    if (folded !== digest)
      unbound.push(`the verdict of event ${position} names another digest of the looks up to ${look}`);
  }
  const beyond = looks.find(({ look }) => look > named);
  return beyond === undefined
    ? unbound
    : [...unbound, `look ${beyond.look} and those behind it are named by no verdict`];
};

/** Computes the verdicts of a pack again. Throws SyntaxError, TypeError or RangeError for what is no stream of a rollout or no looks. */
export const recomputedFrom = (bodies: readonly unknown[], looksText: string): PackedVerdicts => {
  const events = bodies.map((body): LoggedEvent => {
    const { position, at, type, data } = asHeadgateEvent(eventCodec.decode(body as RecordedBody));
    const event = readRolloutEvent(type, data);
    if (event === undefined) throw new TypeError(`Event ${position} (${type}) is none of a rollout.`);
    return { position, at, event };
  });
  const lines = looksText.split('\n').filter((line) => line !== '');
  const looks = lines.map((line) => JSON.parse(line) as KeptLook);
  return {
    looks: looks.length,
    verdicts: recomputeVerdicts(events, looks, sha256),
    parities: recomputeParities(events),
    unbound: unboundLooks(events, looks),
    isCompacted: looks.some(({ compacted }) => compacted !== null && compacted !== undefined),
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
