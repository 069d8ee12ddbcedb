import type { BoardRollout, BoardView, Health, RolloutView } from '#libs/contracts';
import { isOver, isServed, trackOf, type Rollout } from '#libs/domain';
import type { Delivery, Failing, Progress, ProgressBoard, Undelivered } from '../ports.js';
import type { LiveView, RolloutEntry } from './live-view.js';
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

/**
 * Since when the revision that runs on a target has done so without a break: the newest rollout settled there, or another
 * revision was read back from there. Config, target and revision → epoch ms.
 */
const restTimes = (view: LiveView): ReadonlyMap<string, number> => {
  const times = new Map<string, number>();
  for (const { rollout } of view.rollouts.values())
    for (const [target, { control, readBackAt }] of Object.entries(rollout.targets)) {
      const isSettled = rollout.status === 'settled' && readBackAt === null;
      const at = isSettled ? rollout.endedAt : readBackAt;
      const key = `${rollout.config}/${target}/${isSettled ? rollout.revision : control}`;
      if (at !== null) times.set(key, Math.max(at, times.get(key) ?? 0));
    }
  return times;
};

type TakenBack = NonNullable<Cell['takenBack']>;

/** Config and target → the candidate that these rollouts took back there last. */
const takenBackOf = (entries: readonly RolloutEntry[]): ReadonlyMap<string, TakenBack> => {
  const taken = new Map<string, TakenBack>();
  for (const { rollout } of entries)
    for (const [target, { wanted, ended }] of Object.entries(rollout.targets)) {
      const key = `${rollout.config}/${target}`;
      const at = wanted?.purpose === 'rollback' ? iso(wanted.at) : undefined;
      if (at !== undefined && at > (taken.get(key)?.at ?? ''))
        taken.set(key, { rollout: rollout.id, revision: rollout.revision, at, isOver: ended !== null });
    }
  return taken;
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
  {
    running,
    failures,
    takenBack,
  }: {
    readonly running: ReadonlyMap<string, Shown>;
    readonly failures: Failures;
    readonly takenBack: ReadonlyMap<string, TakenBack>;
  },
): ReadonlyMap<string, readonly Cell[]> => {
  const rests = restTimes(view);
  const cells = new Map<string, Cell[]>();
  for (const { target, retired } of view.fleet.targets.values()) {
    if (retired) continue;
    for (const { config, control, candidate, shareBp, rollout } of view.fleet.desired(target)) {
      const shown = rollout === null ? undefined : running.get(rollout);
      const restedAt = rests.get(`${config}/${target}/${control}`);
      const baselineAt = control === 1 ? (view.revisionFacts(config, 1)?.at ?? null) : null;
      const rest = shown
        ? heldCell(shown, target)
        : {
            delivered: !failures.has(target),
            converged: !failures.has(target),
            health: 'steady' as const,
            since: restedAt === undefined ? baselineAt : iso(restedAt),
          };
      const cell = {
        target,
        control,
        candidate,
        shareBp: rollout === null ? null : shareBp,
        rollout,
        ...rest,
        takenBack: takenBack.get(`${config}/${target}`) ?? null,
      };
      cells.set(config, [...(cells.get(config) ?? []), cell]);
    }
  }
  return cells;
};

const targetsOf = async (view: LiveView, delivery: Delivery, failures: Failures): Promise<BoardView['targets']> =>
  Promise.all(
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
        };
      }),
  );

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
  const ended = entries
    .filter(({ rollout }) => isOver(rollout))
    .toSorted((a, b) => (b.rollout.endedAt ?? 0) - (a.rollout.endedAt ?? 0))
    .slice(0, MOST_ENDED);
  const cells = cellsOf(view, {
    running: new Map(running.map((shown) => [shown.rollout.id, shown])),
    failures,
    takenBack: takenBackOf([...moving, ...ended]),
  });
  return {
    position: view.position,
    at: iso(now),
    running: running.map((shown) => boardRollout(shown.view)).toSorted((a, b) => urgency(a) - urgency(b)),
    ended: ended.map((entry) => boardRollout(rolloutView(entry, undefined))),
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
