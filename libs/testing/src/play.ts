import fc from 'fast-check';
import {
  rolloutDecider,
  type Comparison,
  type Facts,
  type PlanSpec,
  type Recorded,
  type ResolvedPlan,
  type Rollout,
  type RolloutCommand,
  type RolloutEvent,
  type RolloutState,
} from '#libs/domain';
import type { Decision } from '#libs/kernel';
import { aVerdict, factsOf, type Shortcomings } from './facts.js';
import { A_PAIRED_SIGNAL, aPlan, aSignal, aStage, aTrack, SOME_SIGNALS } from './plans.js';
import { aStart } from './rollouts.js';
import { T0 } from './specification.js';

/** One command of a random life, with what it met and what became of it. */
export type Step = {
  readonly before: RolloutState;
  readonly command: RolloutCommand;
  readonly decision: Decision<RolloutEvent>;
  readonly events: readonly Recorded<RolloutEvent>[];
  readonly after: RolloutState;
};

type Kind = 'pass' | 'fail' | 'inconclusive' | 'not-measured';
type Luck = {
  readonly kinds: readonly Kind[];
  /** Numbers from 0 to 1 that are drawn upon in turn. */
  readonly dice: readonly number[];
  readonly perfect: boolean;
  readonly stale: boolean;
};
type Move =
  | { readonly do: 'look' | 'promote'; readonly luck: Luck }
  | { readonly do: 'deliver' | 'fail'; readonly which: number; readonly by: number }
  | { readonly do: 'abandon'; readonly which: number }
  | { readonly do: 'deliver-all' | 'resume' | 'abort' }
  | { readonly do: 'supersede'; readonly bypasses: boolean }
  | { readonly do: 'pause'; readonly forMs: number | null }
  | { readonly do: 'wait'; readonly ms: number };

export type Life = {
  readonly plan: ResolvedPlan;
  readonly moves: readonly Move[];
  /** It takes all targets over from a rollout that was watched. */
  readonly takesOver: boolean;
};

const lucks: fc.Arbitrary<Luck> = fc.record({
  kinds: fc.array(
    fc.oneof(
      { weight: 12, arbitrary: fc.constant<Kind>('pass') },
      { weight: 2, arbitrary: fc.constantFrom<Kind>('inconclusive', 'not-measured') },
      { weight: 1, arbitrary: fc.constant<Kind>('fail') },
    ),
    { minLength: 3, maxLength: 3 },
  ),
  dice: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 24, maxLength: 24 }),
  perfect: fc.oneof({ weight: 2, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
  stale: fc.oneof({ weight: 1, arbitrary: fc.constant(true) }, { weight: 7, arbitrary: fc.constant(false) }),
});

const move: fc.Arbitrary<Move> = fc.oneof(
  { weight: 10, arbitrary: lucks.map((drawn): Move => ({ do: 'look', luck: drawn })) },
  {
    weight: 6,
    arbitrary: lucks.map((drawn): Move => ({
      do: 'look',
      luck: { ...drawn, perfect: true, kinds: ['pass', 'pass', 'pass'] },
    })),
  },
  { weight: 10, arbitrary: fc.constant<Move>({ do: 'deliver-all' }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('deliver' as const, 'fail' as const),
      which: fc.nat(2),
      by: fc.integer({ min: -3, max: 3 }),
    }),
  },
  { weight: 2, arbitrary: lucks.map((drawn): Move => ({ do: 'promote', luck: drawn })) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('pause' as const), forMs: fc.option(fc.nat(100_000)) }) },
  { weight: 2, arbitrary: fc.constant<Move>({ do: 'resume' }) },
  { weight: 1, arbitrary: fc.constant<Move>({ do: 'abort' }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('supersede' as const), bypasses: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('abandon' as const), which: fc.nat(2) }) },
  { weight: 4, arbitrary: fc.nat(200_000).map((ms): Move => ({ do: 'wait', ms })) },
);

const exposures = fc
  .uniqueArray(fc.integer({ min: 1, max: 9_998 }), { maxLength: 3 })
  .map((shares) => [...shares.toSorted((a, b) => a - b), 10_000]);

const PARITY = [{ signal: A_PAIRED_SIGNAL.signal, between: ['api', 'bedrock'] as const, within: 200 }];
const catalogue = { signals: [...SOME_SIGNALS, A_PAIRED_SIGNAL] };

/** By the holdback, of which each is drawn. */
const ORDERS = ['blast-radius', ['bedrock-us'], 'plan'] as const;

const planSpec: fc.Arbitrary<Partial<PlanSpec>> = fc
  .record({
    holdback: fc.constantFrom(0, 1, 100, 5_000),
    api: exposures,
    bedrock: exposures,
    after: fc.boolean(),
    byTrack: fc.boolean(),
    parity: fc.boolean(),
    shadow: fc.boolean(),
    missing: fc.constantFrom('hold' as const, 'hold' as const, 'warn' as const, 'roll-back' as const),
    bake: fc.constantFrom(0, 60_000),
    activation: fc.constantFrom(0, 50),
    convergence: fc.constantFrom('all' as const, 'all' as const, { quorum: 6_000, within: 30_000 }),
  })
  .map(({ holdback, api, bedrock, after, byTrack, parity, shadow, missing, bake, activation, convergence }) => {
    const stages = (shares: readonly number[]) =>
      (holdback === 0 && shares.length === 1 ? [1, ...shares] : shares).map((share) =>
        aStage(share, { bake, activation }),
      );
    return {
      holdback,
      holdbackReason: 'as drawn',
      convergence,
      rollbackScope: byTrack ? 'track' : 'rollout',
      rollbackOrder: ORDERS[holdback % ORDERS.length],
      leftovers: activation === 0 ? 'clear' : 'wait',
      signals: [aSignal('wrong-pool'), aSignal('script-errors', { missing }), aSignal('refusals', { shadow })],
      tracks: [
        aTrack('api', { stages: stages(api), targets: parity ? ['api-us'] : { platform: 'api' } }),
        ...(parity ? [aTrack('eu', { stages: stages(api), targets: ['api-eu'], parity: PARITY })] : []),
        aTrack('bedrock', { stages: stages(bedrock), after: after ? 'api' : undefined }),
      ],
    };
  });

const steadily = (looks: number): readonly Move[] =>
  Array.from({ length: looks }, (): Move[] => [
    { do: 'deliver-all' },
    { do: 'look', luck: { kinds: [], dice: [0], perfect: true, stale: false } },
  ]).flat();

/** Random plans with random commands and facts, after a while in which all goes well. */
export const lives: fc.Arbitrary<Life> = fc
  .record({
    plan: planSpec.map((spec) => aPlan(spec, catalogue)),
    well: fc.nat(24),
    moves: fc.array(move, { minLength: 5, maxLength: 50, size: 'max' }),
    takesOver: fc.boolean(),
  })
  .map(({ plan, well, moves, takesOver }) => ({ plan, moves: [...steadily(well), ...moves], takesOver }));

/** Where tracks are taken back alone, bad luck is that of one of them. */
const drawnVerdicts = ({ plan }: { readonly plan: ResolvedPlan }, { kinds, dice }: Luck): Record<string, Kind> => {
  const unlucky = plan.tracks[Math.floor((dice[0] ?? 0) * plan.tracks.length)] ?? plan.tracks[0];
  const prefix = plan.rollbackScope === 'track' ? `${unlucky?.name}/` : '';
  return Object.fromEntries(plan.signals.map(({ signal }, index) => [`${prefix}${signal}`, kinds[index] ?? 'pass']));
};

const compared = (pairs: number, leftOnly: number, rightOnly: number): readonly Comparison[] => [
  { signal: A_PAIRED_SIGNAL.signal, left: 'api-us', right: 'bedrock-us', pairs, leftOnly, rightOnly },
];

/** Shown in most draws, otherwise not compared, open or refuted. */
const drawnComparisons = ({ dice, perfect }: Luck): Pick<Shortcomings, 'comparisons'> => {
  const die = perfect ? 0 : (dice[1] ?? 0);
  if (die < 0.5) return {};
  if (die < 0.65) return { comparisons: [] };
  return { comparisons: die < 0.8 ? compared(120, 5, 3) : compared(2_000, 20, 200) };
};

/** Where the plan wants sessions to be told to let go of what is taken back, they stick to it until they are. */
const stuckTargets = ({ plan, targets }: Rollout, now: number): Shortcomings['targets'] => {
  if (plan.leftovers !== 'clear') return {};
  const leaving = Object.entries(targets).filter(
    ([, { wanted, clearedAt }]) => wanted?.purpose === 'rollback' && clearedAt === null,
  );
  const leftover = { requests: 12, units: 3, firstAt: now - 9_000, lastAt: now };
  return Object.fromEntries(leaving.map(([target]) => [target, { candidateSeenAt: now, leftover }]));
};

const randomFacts = (state: RolloutState, now: number, luck: Luck): Facts => {
  if (state.status === 'none') return { targets: {}, stages: {}, verdicts: [], watch: { bakedMs: 0, silentMs: 0 } };
  const { dice, perfect } = luck;
  const verdicts = drawnVerdicts(state, luck);
  if (perfect) return factsOf(state, now, { verdicts, targets: stuckTargets(state, now) });
  let drawn = 0;
  const die = (): number => dice[(drawn += 1) % dice.length] ?? 0;
  const good = factsOf(state, now, { verdicts, ...drawnComparisons(luck) });
  const targets = Object.fromEntries(
    Object.entries(good.targets).flatMap(([target, known]) => {
      if (die() < 0.15) return [];
      const instances = Math.floor(die() * 4);
      const acknowledged = die() < 0.5 ? instances : Math.floor(die() * (instances + 1));
      const seen = {
        instances,
        acknowledged,
        acknowledgedGeneration: known.acknowledgedGeneration - (die() < 0.6 ? 0 : 5),
        silent: die() < 0.85 ? [] : ['gone-1'],
        waitedMs: Math.floor(die() * 60_000),
        readBack: die() < 0.6 ? known.readBack : null,
        candidateSeenAt: die() < 0.3 ? null : Math.floor(now - die() * 200_000),
        trafficSeenAt: die() < 0.3 ? null : Math.floor(now - die() * 50_000),
      };
      const { candidateSeenAt: lastAt } = seen;
      const leftover = lastAt === null ? undefined : { requests: 12, units: 3, firstAt: lastAt - 9_000, lastAt };
      const changed = leftover === undefined ? seen : { ...seen, leftover };
      return [[target, changed]];
    }),
  );
  const stages = Object.fromEntries(
    Object.entries(good.stages).map(([track, known]) => [
      track,
      {
        ...known,
        bakedMs: die() < 0.5 ? known.bakedMs : Math.floor(known.bakedMs * die()),
        activation: known.activation.filter(() => die() < 0.7),
        silentMs: die() < 0.7 ? 0 : Math.floor(die() * 120_000),
      },
    ]),
  );
  const watch = {
    bakedMs: Math.floor(die() * 2 * state.plan.watchMs),
    silentMs: die() < 0.7 ? 0 : Math.floor(die() * 120_000),
  };
  const unmeasured = state.plan.signals.flatMap(({ signal }) =>
    Object.keys(state.targets).flatMap((target) =>
      die() < 0.6 && die() < 0.6 ? [{ signal, target, ms: die() < 0.5 ? 90_000 : 20_000 }] : [],
    ),
  );
  const onCandidate = Object.fromEntries(Object.keys(state.targets).map((target, n) => [target, (n * 700) % 1_000]));
  return {
    ...good,
    targets,
    stages,
    watch,
    unmeasured,
    onCandidate,
    verdicts: good.verdicts.filter(() => die() < 0.9),
  };
};

/** Whether a promote means one track alone. */
const isOdd = ({ dice }: Luck): boolean => (dice[2] ?? 0) < 0.3;

/** Facts as another look saw them: of the stage before, or none of the current ones. */
const outdated = (facts: Facts): Facts => ({
  ...facts,
  stages: Object.fromEntries(Object.entries(facts.stages).map(([track, known]) => [track, { ...known, stage: '0%' }])),
  verdicts: facts.verdicts.map(({ signal, track, verdict, shadow }) =>
    aVerdict(signal, verdict, { track, stage: '0%', shadow }),
  ),
});

const commandOf = (state: RolloutState, now: number, drawn: Move): RolloutCommand | undefined => {
  switch (drawn.do) {
    case 'wait':
    case 'deliver-all':
      return undefined;
    case 'look':
    case 'promote': {
      const fresh = randomFacts(state, now, drawn.luck);
      const facts = drawn.luck.stale ? outdated(fresh) : fresh;
      return drawn.do === 'look'
        ? { type: 'AssessRollout', at: now, facts }
        : { type: 'PromoteRollout', reason: 'drawn', track: isOdd(drawn.luck) ? 'eu' : null, stages: null, facts };
    }
    case 'deliver':
    case 'fail': {
      const targets = state.status === 'none' ? [] : Object.entries(state.targets);
      const [target, progress] = targets[drawn.which % Math.max(1, targets.length)] ?? ['mars', undefined];
      const generation = Math.max(1, (progress?.wanted?.generation ?? 1) + drawn.by);
      return drawn.do === 'deliver'
        ? { type: 'RecordExposureChanged', target, generation }
        : { type: 'RecordExposureFailed', target, generation, error: `error ${drawn.by}` };
    }
    case 'pause':
      return { type: 'PauseRollout', reason: 'drawn', until: drawn.forMs === null ? null : now + drawn.forMs };
    case 'resume':
      return { type: 'ResumeRollout', reason: 'drawn' };
    case 'abort':
      return { type: 'AbortRollout', reason: 'drawn' };
    case 'supersede':
      return { type: 'SupersedeRollout', by: 'ro-2', bypasses: drawn.bypasses };
    case 'abandon': {
      const targets = state.status === 'none' ? [] : Object.keys(state.targets);
      const target = targets[drawn.which % Math.max(1, targets.length)] ?? 'mars';
      return { type: 'AbandonTarget', target, reason: 'drawn' };
    }
  }
};

/** Leads a rollout through a life and gives every step of it. The same life gives the same steps. */
export const play = ({ plan, moves, takesOver }: Life): readonly Step[] => {
  const steps: Step[] = [];
  let state: RolloutState = rolloutDecider.initial;
  let now = T0;
  let position = 0;
  const take = (command: RolloutCommand): void => {
    const before = state;
    const decision = rolloutDecider.decide(before, command);
    const events: Recorded<RolloutEvent>[] = [];
    for (const event of decision.accepted ? decision.events : []) {
      position += 1;
      const recorded = { ...event, position, at: now };
      events.push(recorded);
      state = rolloutDecider.evolve(state, recorded);
    }
    steps.push({ before, command, decision, events, after: state });
  };
  const start = aStart(plan);
  take({ ...start, takesOver: takesOver ? Object.keys(start.controls) : [] });
  for (const drawn of moves) {
    now += drawn.do === 'wait' ? drawn.ms : 500;
    position += 1;
    if (drawn.do === 'deliver-all' && state.status !== 'none') {
      for (const [target, { wanted }] of Object.entries(state.targets)) {
        if (wanted) take({ type: 'RecordExposureChanged', target, generation: wanted.generation });
      }
    }
    const command = commandOf(state, now, drawn);
    if (command) take(command);
  }
  return steps;
};
