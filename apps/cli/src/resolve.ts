import { Name } from '#libs/contracts';
import type { RolloutView } from '#libs/contracts';
import { ProblemError } from './client-errors.js';
import type { HeadgateClient } from './client.js';
import { CliError, usageError } from './errors.js';
import { EXIT } from './exit-codes.js';

const OVER: ReadonlySet<string> = new Set(['settled', 'rolled-back', 'superseded', 'cancelled']);

/** True when nothing more will happen to it by itself. */
export const isOver = (rollout: Pick<RolloutView, 'status'>): boolean => OVER.has(rollout.status);

/** Whether anything of it is still being taken back: also of one that is over, where one track alone has to drain. */
const isOnWayBack = ({ status, targets }: RolloutView): boolean =>
  status === 'rolling-back' || targets.some(({ purpose, ended }) => purpose === 'rollback' && ended === null);

const FULL_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

const line = (rollout: RolloutView): string =>
  `${rollout.id}  ${rollout.config} r${rollout.revision}  ${rollout.status}  started ${rollout.startedAt}`;

const newestFirst = (a: RolloutView, b: RolloutView): number => Date.parse(b.startedAt) - Date.parse(a.startedAt);

const collect = async (rollouts: AsyncIterable<RolloutView>, fits: (rollout: RolloutView) => boolean) => {
  const found: RolloutView[] = [];
  for await (const rollout of rollouts) if (fits(rollout)) found.push(rollout);
  return found;
};

const MOST_LISTED = 10;

const ambiguous = (what: string, found: readonly RolloutView[]): CliError => {
  const more = found.length - MOST_LISTED;
  return usageError(`${what} fits ${found.length} rollouts`, {
    details: [
      ...found.toSorted(newestFirst).slice(0, MOST_LISTED).map(line),
      ...(more > 0 ? [`and ${more} more, older ones`] : []),
    ],
    next: 'give more of the id',
  });
};

/** What a rollout is looked for: to read it, to act on it, or to give up a target of its rollback. */
export type Purpose = 'read' | 'act' | 'abandon';

const fromConfig = (config: string, found: readonly RolloutView[], purpose: Purpose): RolloutView => {
  const unfinished = found.filter((rollout) => !isOver(rollout));
  // One that is on its way back needs nobody; in an emergency the other one is meant.
  const meant =
    purpose === 'abandon' ? found.filter(isOnWayBack) : unfinished.filter(({ status }) => status !== 'rolling-back');
  const newest = found.toSorted(newestFirst)[0];
  // Where nothing else runs, an older one that still drains is not what there is to read.
  if (newest && meant.length === 0 && purpose === 'read') return newest;
  const running = meant.length > 0 ? meant : unfinished;
  const [only] = running;
  if (only && running.length === 1) return only;
  if (running.length > 1) throw ambiguous(`config ${config}`, running);
  const isGivenUp = purpose === 'abandon';
  throw new CliError(`no rollout of ${config} is ${isGivenUp ? 'being taken back' : 'running'}`, EXIT.conflict, {
    details: newest ? [`the last one: ${line(newest)}`] : [],
    next: isGivenUp
      ? 'nothing is left to give up'
      : `start one with: headgate start ${config} --plan PLAN --reason "…"`,
  });
};

/**
 * Finds the rollout that is meant by a full id, a unique beginning of one, `rollout/ID`, or the name of a config: the one
 * that is running, and for reading, when none is, the newest. Throws a usage error when several fit or none does.
 */
export const resolveRollout = async (
  client: HeadgateClient,
  reference: string,
  purpose: Purpose,
): Promise<RolloutView> => {
  const wanted = reference.replace(/^rollouts?\//, '');
  if (wanted.trim() === '') {
    // A variable that is not set must not stand for whatever runs.
    throw usageError('no rollout is named', { next: 'give its id or config; see them all with: headgate status' });
  }
  if (FULL_ID.test(wanted)) return client.rollout(wanted.toLowerCase());
  if (Name.safeParse(wanted).success) {
    const ofConfig = await orUndefined(
      collect(client.allRollouts({ config: wanted }), (rollout) => rollout.config === wanted),
    );
    if (ofConfig && ofConfig.length > 0) return fromConfig(wanted, ofConfig, purpose);
  }
  const matching = await collect(client.allRollouts(), (rollout) => rollout.id.startsWith(wanted.toLowerCase()));
  const [only] = matching;
  if (only && matching.length === 1) return only;
  if (matching.length > 1) throw ambiguous(`"${wanted}"`, matching);
  throw usageError(`no rollout has an id or a config that fits "${wanted}"`, {
    next: 'see them all with: headgate status',
  });
};

/** Runs a read and gives undefined where the controller has no such thing. */
export const orUndefined = async <T>(reading: Promise<T>): Promise<T | undefined> => {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof ProblemError && (error.problem.status === 404 || error.problem.status === 400))
      return undefined;
    throw error;
  }
};
