import {
  judgedScopes,
  judgeParities,
  trackOf,
  type Comparison,
  type Facts,
  type RecordedVerdict,
  type Rollout,
  type StageFacts,
  type TargetFacts,
} from '#libs/domain';

type Kind = RecordedVerdict['verdict'];

/** What is not as good as it could be. Everything that is not named is complete. */
export type Shortcomings = {
  /** Signal, or `<track>/<signal>`, → verdict there; the others pass. */
  readonly verdicts?: Readonly<Record<string, Kind>>;
  /** Target → what is known of it; undefined: it does not answer. */
  readonly targets?: Readonly<Record<string, Partial<TargetFacts> | undefined>>;
  /** Track → what is known of its stage. */
  readonly stages?: Readonly<Record<string, Partial<StageFacts>>>;
  readonly watch?: Partial<Facts['watch']>;
  readonly unmeasured?: Facts['unmeasured'];
  readonly silentMs?: Facts['silentMs'];
  readonly drift?: Facts['drift'];
  readonly onCandidate?: Facts['onCandidate'];
  /** What was compared for parity; default: so much that all of it is shown. */
  readonly comparisons?: readonly Comparison[];
  /** Of a config assigned by instance: target → its live instances. Default: eight on each. */
  readonly instances?: Facts['instances'];
};

/** So many live instances of each of these targets. */
export const liveOn = (targets: readonly string[], count = 8): NonNullable<Facts['instances']> =>
  Object.fromEntries(targets.map((target) => [target, Array.from({ length: count }, (_, n) => `${target}-0${n + 1}`)]));

/** A verdict on a signal in a stage of a track, or on the whole rollout (track null). */
export const aVerdict = (
  signal: string,
  verdict: Kind,
  where: { readonly track: string | null; readonly stage: string; readonly shadow?: boolean },
): RecordedVerdict => ({
  signal,
  track: where.track,
  stage: where.stage,
  verdict,
  shadow: where.shadow ?? false,
  sentence: `${signal} on ${where.track ?? 'everything'}: ${verdict}`,
  method: 'rate-grid-v1',
  counts: { candidateBad: 1, candidateRequests: 1_000, controlBad: 9, controlRequests: 9_000 },
  values: null,
  ratio: 1,
  interval: [0.2, 4],
  logE: 0,
  logBound: 8,
  look: 3,
  digest: 'd1',
});

const stagesOf = (rollout: Rollout, at: Shortcomings['stages']): Facts['stages'] =>
  Object.fromEntries(
    rollout.plan.tracks.flatMap((track) => {
      const { stage: index } = trackOf(rollout, track.name);
      const stage = track.stages[index];
      if (index < 0) return [];
      const good: StageFacts = {
        stage: stage?.name ?? null,
        bakedMs: stage?.bakeMs ?? 0,
        activation: track.targets.flatMap(({ target, models }) =>
          models.map((model) => ({ target, model, units: stage?.activation ?? 0 })),
        ),
        silentMs: 0,
      };
      return [[track.name, { ...good, ...at?.[track.name] }]];
    }),
  );

const targetsOf = (rollout: Rollout, now: number, change: Shortcomings['targets'] = {}): Facts['targets'] =>
  Object.fromEntries(
    Object.entries(rollout.targets).flatMap(([target, { wanted }]) => {
      if (!wanted || (target in change && change[target] === undefined)) return [];
      const good: TargetFacts = {
        instances: 3,
        acknowledged: 3,
        acknowledgedGeneration: wanted.generation,
        readBack: wanted.generation,
        candidateSeenAt: wanted.at,
        trafficSeenAt: now,
      };
      return [[target, { ...good, ...change[target] }]];
    }),
  );

const verdictsOf = (rollout: Rollout, kinds: Readonly<Record<string, Kind>> = {}): readonly RecordedVerdict[] =>
  judgedScopes(rollout).flatMap(({ track, stage }) =>
    rollout.plan.signals.map(({ signal, shadow }) => {
      const kind = kinds[`${track}/${signal}`] ?? kinds[signal] ?? 'pass';
      return aVerdict(signal, kind, { track, stage: stage ?? 'watch', shadow });
    }),
  );

/** No pair differs, of so many that any margin is shown. */
const alike = ({ plan }: Rollout): readonly Comparison[] =>
  plan.tracks.flatMap(({ parity }) =>
    parity.map(({ signal, between }) => {
      const [left = '', right = ''] = between.map(
        (name) => plan.tracks.find((track) => track.name === name)?.targets[0]?.target,
      );
      return { signal, left, right, pairs: 100_000, leftOnly: 0, rightOnly: 0 };
    }),
  );

/** Facts under which the rollout may go on, but for what is named. */
export const factsOf = (rollout: Rollout, now: number, missing: Shortcomings = {}): Facts => ({
  targets: targetsOf(rollout, now, missing.targets),
  stages: stagesOf(rollout, missing.stages),
  verdicts: verdictsOf(rollout, missing.verdicts),
  watch: {
    bakedMs: rollout.status === 'watching' ? rollout.plan.watchMs : 0,
    silentMs: 0,
    ...missing.watch,
  },
  unmeasured: missing.unmeasured ?? [],
  parity: judgeParities(rollout, missing.comparisons ?? alike(rollout)),
  ...(rollout.assignment === 'instance'
    ? { instances: missing.instances ?? liveOn(Object.keys(rollout.targets)) }
    : {}),
  ...(missing.silentMs === undefined ? {} : { silentMs: missing.silentMs }),
  ...(missing.drift === undefined ? {} : { drift: missing.drift }),
  ...(missing.onCandidate === undefined ? {} : { onCandidate: missing.onCandidate }),
});
