import type { BoardRollout, BoardView, Health, RolloutView } from '#libs/contracts';
import { isOver, isServed, trackOf, type Rollout } from '#libs/domain';
import type { Delivery, Failing, Progress, ProgressBoard, Undelivered } from '../ports.js';
import type { LiveView, RolloutEntry } from './live-view.js';
import { openFailures } from './open-work.js';
import { rolloutView, undeliveredView } from './views.js';

/** Rollouts that have ended are shown as far as somebody may still look for them on a board. */
const MOST_ENDED = 12;
const MOST_WAITS = 3;

type Verdict = RolloutView['verdicts'][number];

const RANK: Readonly<Record<Verdict['verdict'], Health>> = {
  fail: 'harm',
  'not-measured': 'not-measured',
  inconclusive: 'undecided',
  pass: 'shown-fine',
};
const WORST_FIRST: readonly Verdict['verdict'][] = ['fail', 'not-measured', 'inconclusive', 'pass'];

/** The verdict that counts most; shadows decide nothing. */
const worstOf = (verdicts: readonly Verdict[]): Verdict | undefined =>
  WORST_FIRST.flatMap((kind) => verdicts.filter(({ verdict, shadow }) => verdict === kind && !shadow))[0];

const healthOf = (verdict: Verdict | undefined): Health =>
  verdict === undefined ? 'not-measured' : RANK[verdict.verdict];

const boardRollout = (view: RolloutView): BoardRollout => {
  const worst = worstOf(view.verdicts);
  return {
    id: view.id,
    config: view.config,
    revision: view.revision,
    plan: view.plan,
    reason: view.reason,
    startedBy: view.startedBy,
    startedAt: view.startedAt,
    endedAt: view.endedAt,
    status: view.status,
    held: view.held,
    waitingFor: view.waitingFor.slice(0, MOST_WAITS),
    health: view.endedAt !== null && view.status === 'settled' ? 'shown-fine' : healthOf(worst),
    sentence: worst?.sentence ?? null,
    tracks: view.tracks.map(({ name, status, stage, stages }) => ({
      name,
      status,
      stage,
      passed: stages.filter((each) => each.status === 'passed').length,
      stages: stages.length,
    })),
    reverts: view.reverts,
  };
};

type Config = BoardView['configs'][number];
type Cell = Config['cells'][number];
type Shown = { readonly rollout: Rollout; readonly view: RolloutView };

const iso = (ms: number): string => new Date(ms).toISOString();

/** When the newest rollout that settled on a target did so: config, target and revision → when. */
const settledTimes = (view: LiveView): ReadonlyMap<string, string> => {
  const times = new Map<string, string>();
  for (const { rollout } of view.rollouts.values()) {
    if (rollout.status !== 'settled' || rollout.endedAt === null) continue;
    for (const target of Object.keys(rollout.targets))
      times.set(`${rollout.config}/${target}/${rollout.revision}`, iso(rollout.endedAt));
  }
  return times;
};

const heldCell = (
  { rollout, view }: Shown,
  target: string,
): Pick<Cell, 'delivered' | 'converged' | 'health' | 'since'> => {
  const track = rollout.plan.tracks.find(({ targets }) => targets.some((each) => each.target === target));
  const own = view.verdicts.filter((verdict) => verdict.track === null || verdict.track === track?.name);
  const progress = view.targets.find((each) => each.target === target);
  const entered = track === undefined ? undefined : trackOf(rollout, track.name).enteredAt.at(-1);
  return {
    delivered: progress?.delivered ?? false,
    converged: progress?.converged ?? false,
    // A track that has not begun shows nothing to anybody.
    health: entered === undefined ? 'steady' : healthOf(worstOf(own)),
    since: iso(entered ?? rollout.startedAt),
  };
};

type Failures = ReadonlyMap<string, Failing>;

const cellsOf = (
  view: LiveView,
  running: ReadonlyMap<string, Shown>,
  failures: Failures,
): ReadonlyMap<string, readonly Cell[]> => {
  const settled = settledTimes(view);
  const cells = new Map<string, Cell[]>();
  for (const { target, retired } of view.fleet.targets.values()) {
    if (retired) continue;
    for (const { config, control, candidate, shareBp, rollout } of view.fleet.desired(target)) {
      const shown = rollout === null ? undefined : running.get(rollout);
      const at =
        settled.get(`${config}/${target}/${control}`) ?? (control === 1 ? view.revisionFacts(config, 1)?.at : null);
      const rest = shown
        ? heldCell(shown, target)
        : {
            delivered: !failures.has(target),
            converged: !failures.has(target),
            health: 'steady' as const,
            since: at ?? null,
          };
      const cell = { target, control, candidate, shareBp: rollout === null ? null : shareBp, rollout, ...rest };
      cells.set(config, [...(cells.get(config) ?? []), cell]);
    }
  }
  return cells;
};

type FailingRollout = NonNullable<BoardView['targets'][number]['failing']>;

/** Target → the delivery that has failed there for longest. */
const failingOf = (view: LiveView): ReadonlyMap<string, FailingRollout> => {
  const failing = new Map<string, FailingRollout>();
  for (const { rollout, target, since, error } of openFailures(view))
    if (!failing.has(target)) failing.set(target, { since: iso(since), error, rollout });
  return failing;
};

const targetsOf = async (view: LiveView, delivery: Delivery, failures: Failures): Promise<BoardView['targets']> => {
  const failing = failingOf(view);
  return Promise.all(
    [...view.fleet.targets.values()]
      .filter(({ retired }) => !retired)
      .map(async ({ target, platform, labels, generation }) => {
        const observed = await delivery.observe(target).catch(() => undefined);
        const behind = observed?.instances.filter((instance) => instance.generation < generation).length ?? null;
        return {
          target,
          platform,
          labels: { ...labels },
          generation,
          instances: observed?.instances.length ?? null,
          behind,
          undelivered: undeliveredView(failures.get(target)),
          failing: failing.get(target) ?? null,
        };
      }),
  );
};

const lineOf = (entry: RolloutEntry, progress: Progress | undefined): Shown => ({
  rollout: entry.rollout,
  view: rolloutView(entry, progress),
});

/** Who waits for a person comes first, then what goes back, then the newest. */
const urgency = ({ held, status }: BoardRollout): number =>
  held !== null && held.until === null ? 0 : status === 'rolling-back' ? 1 : held === null ? 3 : 2;

/** What a person wants to see at one glance: what moves, what is held, and what every target is to serve. */
export const boardView = async (
  view: LiveView,
  {
    board,
    delivery,
    undelivered,
    now,
  }: {
    readonly board: ProgressBoard;
    readonly delivery: Delivery;
    readonly undelivered: Pick<Undelivered, 'all'>;
    readonly now: number;
  },
): Promise<BoardView> => {
  const entries = [...view.rollouts.values()].toReversed();
  const moving = entries.filter(({ rollout }) => !isOver(rollout));
  const failures = await undelivered.all();
  const [progress, targets] = await Promise.all([
    board.get(moving.map(({ rollout }) => rollout.id)),
    targetsOf(view, delivery, failures),
  ]);
  const running = moving.map((entry) => lineOf(entry, progress.get(entry.rollout.id)));
  const cells = cellsOf(view, new Map(running.map((shown) => [shown.rollout.id, shown])), failures);
  return {
    position: view.position,
    at: iso(now),
    running: running.map((shown) => boardRollout(shown.view)).toSorted((a, b) => urgency(a) - urgency(b)),
    ended: entries
      .filter(({ rollout }) => isOver(rollout))
      .toSorted((a, b) => (b.rollout.endedAt ?? 0) - (a.rollout.endedAt ?? 0))
      .slice(0, MOST_ENDED)
      .map((entry) => boardRollout(rolloutView(entry, undefined))),
    configs: [...view.fleet.configs.values()]
      .filter(({ kind, status }) => isServed(kind) && status === 'registered')
      .map(({ key, description, revisions }) => ({
        config: key,
        description,
        newest: revisions.length,
        cells: [...(cells.get(key) ?? [])],
      })),
    targets,
  };
};
