import { showChance, showShare } from '#libs/contracts';
import type { PlanPreview, StagePrediction } from '#libs/contracts';
import { alphaOfStart, drawFaults, roughly, vetoesOf, vetoWords, type ResolvedPlan } from '#libs/domain';
import type { Prepared } from '../commands/prepare-rollout.js';
import { TOO_FEW, WITHOUT_ARMS, type Reach } from './preview-stages.js';

/** Targets on which nothing was served lately. */
const silentWarnings = (
  silent: readonly string[],
  { isEverywhere, isRefused, spanMs }: { isEverywhere: boolean; isRefused: boolean; spanMs: number },
): string[] => {
  if (silent.length === 0) return [];
  const where = `No traffic was seen on ${silent.join(', ')} in the last ${roughly(spanMs)}`;
  return [
    isEverywhere
      ? `${where}, so nothing can be predicted${isRefused ? ' and a start is refused' : ''}: connect a fleet, or see whether it still sends outcomes.`
      : `${where}, so nothing of it is in these predictions: connect a fleet, or see whether it still sends outcomes.`,
  ];
};

type DrawnStage = NonNullable<Reach>['stages'][number];

const drawWords = ({ draws }: DrawnStage): string =>
  draws.map(({ target, chosen, of }) => `${chosen} of ${of} on ${target}`).join(', ');

/** Where so few instances are live that shares come to others than were written. */
const drawWarnings = (plan: ResolvedPlan, reach: Reach): string[] =>
  plan.tracks.flatMap((track) => {
    const drawn = (reach?.stages ?? []).filter((stage) => stage.track === track.name && stage.draws.length > 0);
    const [first] = drawn;
    if (first === undefined || drawn.some(({ draws }) => draws.some(({ of }) => of === 0))) return [];
    const shareBp = track.stages[0]?.exposureBp ?? 0;
    const exposes = first.draws.some(({ chosen, of }) => chosen * 10_000 > 2 * shareBp * of);
    const same = drawn.filter(
      ({ draws }, at) => at > 0 && draws.every(({ chosen }, which) => chosen === drawn[at - 1]?.draws[which]?.chosen),
    );
    return [
      ...(exposes
        ? [
            `${track.name}/${first.stage} asks for ${showShare(shareBp)} and comes to ${drawWords(first)}, the least that can be drawn: run more instances, or know that the first stage shows the change to so many.`,
          ]
        : []),
      ...same.map(
        (stage) =>
          `${track.name}/${stage.stage} comes to the same instances as the stage before it (${drawWords(stage)}): it lasts longer and shows the change to nobody else. Leave one of them out, or run more instances.`,
      ),
    ];
  });

/** Where too few instances are live to draw from: a start is refused for it, or a later track has to wait. */
const lotWarnings = (
  { config: { assignment }, bypasses }: Prepared,
  plan: ResolvedPlan,
  { live, unattended }: Pick<Warned, 'live' | 'unattended'>,
): string[] => {
  if (assignment === null || bypasses) return [];
  return plan.tracks.flatMap((track) => {
    const [fault] = drawFaults({ assignment }, track, 0, live);
    if (fault === undefined) return [];
    if (track.after === null) return [`Nothing can be drawn: ${fault}. A start is refused.`];
    return track.targets.some(({ target }) => unattended.includes(target))
      ? []
      : [`Track ${track.name} will wait when its turn comes: ${fault}.`];
  });
};

/** What a start is refused for, since the draw could never tell. */
const reachWarnings = (reach: Reach): string[] =>
  reach?.refusal === undefined ? [] : [`${reach.refusal} A start is refused.`];

export const blindWarning = ({ acceptBlind }: ResolvedPlan): string =>
  acceptBlind === null
    ? 'With this traffic none of its signals could ever tell that the change does harm: a start is refused, unless the plan says why that is accepted (acceptBlind).'
    : `With this traffic none of its signals could ever tell that the change does harm; accepted by the plan: ${acceptBlind}`;

/** What a start would be refused for, whatever the plan. */
const refusalWarnings = ({ config, revision, controls }: Prepared): string[] => [
  ...(Object.values(controls).includes(revision)
    ? [`r${revision} is live on targets of the plan already: a start is refused.`]
    : []),
  ...[vetoWords(config, revision)].flatMap((vetoed) =>
    vetoed === undefined ? [] : [`${vetoed}: a start needs a reason why it may be tried again (--veto-reason).`],
  ),
];

/** All starts of a revision share the alpha of its plan, and the first has had nearly all of it. */
const restartWarnings = ({ config, revision, plan: { alpha }, bypasses }: Prepared): string[] => {
  const earlier = vetoesOf(config, revision);
  if (earlier === 0 || bypasses) return [];
  const first = (alpha / alphaOfStart(1, earlier)) * alphaOfStart(1, 0);
  return [
    `r${revision} was taken back ${earlier === 1 ? 'once' : `${earlier} times`} before, so this start has only what its first one left of the plan's alpha: ${showChance(alpha)} instead of ${showChance(first)}. It needs more evidence to be taken back by its rates. Another value begins anew.`,
  ];
};

const unattendedWarnings = (targets: readonly string[]): string[] =>
  targets.length === 0
    ? []
    : [`No instance is live on ${targets.join(', ')}: nothing can go on there until one fetches its ruleset.`];

/** Of what nobody can say yet what it will see. */
const unforeseen = (stages: readonly StagePrediction[]): string[] => {
  const names = stages.flatMap(({ signals }) =>
    signals.filter(({ known, note }) => !known && !note.includes(WITHOUT_ARMS)).map(({ signal }) => signal),
  );
  return names.length === 0
    ? []
    : [
        `What ${[...new Set(names)].join(', ')} can see, and when, is not known yet and in no prediction here: nothing was measured of it lately on the targets of the plan. Values, pairs and instances are measured in rollouts; after the first one it is known.`,
      ];
};

const parityWarnings = ({ parity }: Pick<PlanPreview, 'parity'>): string[] =>
  parity.map(
    ({ track, signal, between, withinBp }) =>
      `Track ${track} begins only once ${signal} is shown to differ by less than ${showShare(withinBp)} between ${between.join(' and ')}: how long that takes hangs on who compares them, and is in no prediction here.`,
  );

const stageWarnings = (stages: readonly StagePrediction[]): string[] => [
  ...unforeseen(stages),
  ...stages
    .filter(({ predictedMs, limitedBy }) => predictedMs === null && limitedBy !== TOO_FEW)
    .map(
      ({ track, stage, limitedBy }) =>
        `${track}/${stage} cannot be predicted (${limitedBy}): too little traffic was seen lately.`,
    ),
  ...stages.flatMap(({ track, stage, signals }) =>
    signals
      .filter(
        ({ type, known, smallestHarm, tolerate, note }) =>
          type !== 'invariant' && known && smallestHarm === null && tolerate === null && !note.startsWith('shadow'),
      )
      .map(
        ({ signal }) =>
          `${track}/${stage}: ${signal} cannot show any harm within that stage's own time; it is watched all the same, and afterwards.`,
      ),
  ),
];

export type Warned = {
  readonly prepared: Prepared;
  readonly plan: ResolvedPlan;
  readonly preview: Pick<PlanPreview, 'stages' | 'parity' | 'traffic'>;
  readonly unattended: readonly string[];
  readonly live: Readonly<Record<string, readonly string[]>>;
  readonly reach: Reach;
};

/** What somebody should know who is about to start it. */
export const warningsOf = ({ prepared, plan, preview, unattended, live, reach }: Warned): string[] => {
  const targets = plan.tracks.flatMap((track) => track.targets.map(({ target }) => target));
  const silent = targets.filter((target) => !((preview.traffic.perTarget[target] ?? 0) > 0));
  const isEverywhere = silent.length === targets.length;
  return [
    ...refusalWarnings(prepared),
    ...restartWarnings(prepared),
    ...silentWarnings(silent, { isEverywhere, isRefused: !prepared.bypasses, spanMs: preview.traffic.spanMs }),
    ...unattendedWarnings(unattended),
    ...lotWarnings(prepared, plan, { live, unattended }),
    ...parityWarnings(preview),
    // Without any traffic there is nothing to be said of single stages.
    ...(isEverywhere ? [] : stageWarnings(preview.stages)),
    ...(plan.convergence === null
      ? []
      : [
          `Stages go on with ${showShare(plan.convergence.quorumBp)} of the known instances of a target once the others have had ${plan.convergence.withinMs / 1_000} s; the record names who was absent.`,
        ]),
    ...(plan.holdbackBp === 0 ? ['There is no holdback: the watch is only observational.'] : []),
    ...drawWarnings(plan, reach),
    ...reachWarnings(reach),
  ];
};
