import { showChance, showShare } from '#libs/contracts';
import type { ParityView, RolloutView, VerdictView } from '#libs/contracts';
import { plain, showAgo, showDuration, showTime } from '../format.js';
import { paintStatus, table } from '../look.js';
import type { Look } from '../look.js';
import { hang, solid } from '../wrap.js';
import { wayBackTable } from './way-back.js';

type Track = RolloutView['tracks'][number];
type Target = RolloutView['targets'][number];

const SHORTEST_ID = 8;

/** The shortest length at which the beginnings of all ids differ, at least 8. */
export const idLength = (ids: readonly string[]): number => {
  const longest = Math.max(SHORTEST_ID, ...ids.map((id) => id.length));
  for (let length = SHORTEST_ID; length < longest; length += 1) {
    if (new Set(ids.map((id) => id.slice(0, length))).size === new Set(ids).size) return length;
  }
  return longest;
};

/** A track that was taken back alone, or that waited for one. */
const isGone = ({ status }: Track): boolean => status === 'taken-back' || status === 'not-reached';

const isWithdrawn = ({ status }: RolloutView): boolean =>
  status === 'rolling-back' || status === 'rolled-back' || status === 'cancelled';

/** `api 10%`, `api taken back at 10%`, `vertex not reached`; where all was passed there is no stage to name. */
const trackWords = ({ name, status, stage }: Track, isBack: boolean): string => {
  const wasThere = stage !== null || status === 'passed' || status === 'taken-back';
  if (status === 'not-reached' || (isBack && !wasThere)) return `${name} not reached`;
  if (isBack || status === 'taken-back') return `${name} taken back${stage === null ? '' : ` at ${stage}`}`;
  return `${name} ${stage ?? status}`;
};

/** `staging`, or `staging, held` while a person or a policy holds it; `settled, but not in vertex` where tracks are gone. */
const statusWords = (rollout: RolloutView, look: Look): string => {
  const status = paintStatus(rollout.status, look.paint);
  const gone = rollout.tracks.filter(isGone).map(({ name }) => plain(name));
  if (rollout.status === 'settled' && gone.length > 0) return `${status}, but not in ${gone.join(', ')}`;
  return rollout.held ? `${status}, ${look.paint.yellow('held')}` : status;
};

const listCells = (rollout: RolloutView, length: number, look: Look): readonly string[] => [
  rollout.id.slice(0, length),
  plain(rollout.config),
  `r${rollout.revision}`,
  plain(rollout.plan),
  statusWords(rollout, look),
  plain(rollout.tracks.map((track) => trackWords(track, isWithdrawn(rollout))).join(', ')),
  solid(showTime(rollout.startedAt, look.zone)),
  plain(rollout.waitingFor.join('; ') || '-'),
];

/** One line per rollout. */
export const renderRollouts = (rollouts: readonly RolloutView[], look: Look): string => {
  const length = idLength(rollouts.map(({ id }) => id));
  const head = ['ROLLOUT', 'CONFIG', 'REV', 'PLAN', 'STATUS', 'STAGES', 'STARTED', 'WAITING FOR'];
  return table(
    head,
    rollouts.map((rollout) => listCells(rollout, length, look)),
    look,
    ['PLAN', 'STARTED', 'STAGES'],
  );
};

type Stage = Track['stages'][number];

/** A stage whose rollout is being taken back, or was, is in no stage any more. */
const stageWords = (stage: Stage, withdrawn: boolean): string => {
  if (!withdrawn || stage.status === 'passed') return stage.status;
  return stage.status === 'in-stage' ? 'taken back' : 'not reached';
};

const stageRows = (track: Track, withdrawn: boolean, look: Look): readonly (readonly string[])[] =>
  track.stages.map((stage, index) => [
    index === 0 ? plain(track.name) : '',
    plain(stage.name),
    showShare(stage.exposureBp),
    `${paintStatus(stageWords(stage, withdrawn), look.paint)}${stage.skipped ? look.paint.yellow(' (promoted)') : ''}`,
    stage.enteredAt === null ? '-' : solid(showTime(stage.enteredAt, look.zone)),
    stage.bakedMs === null || (withdrawn && stage.status !== 'passed')
      ? `- of ${showDuration(stage.bakeMs)}`
      : `${showDuration(stage.bakedMs)} of ${showDuration(stage.bakeMs)}`,
  ]);

const yesNo = (yes: boolean, look: Look): string => paintStatus(yes ? 'yes' : 'no', look.paint);

const isLeaving = ({ purpose }: Target): boolean => purpose === 'rollback';

const takenBackWords = (target: Target, rollout: RolloutView, look: Look): string => {
  const { ended, readBack, generation } = target;
  if (!isWithdrawn(rollout) && !isLeaving(target)) return '-';
  if (ended !== null) return ended;
  if (readBack) return 'read back';
  return generation === 0 ? 'never exposed' : look.paint.yellow('not yet');
};

/** `25%`, or `25% (2 of 8)` where instances are drawn. */
const exposureOf = ({ requestedBp, instances }: Target): string =>
  instances === undefined
    ? showShare(requestedBp)
    : `${showShare(requestedBp)} (${instances.chosen} of ${instances.of})`;

/** With how long it has been so. */
const errorWords = ({ error, failingSince }: Target, { now }: Look): string =>
  failingSince === null
    ? plain(error ?? '')
    : `${plain(error ?? '')} (failing for ${showDuration(now - Date.parse(failingSince))})`;

const targetRow = (target: Target, rollout: RolloutView, look: Look): readonly string[] => [
  plain(target.target),
  `r${target.control}`,
  exposureOf(target),
  String(target.generation),
  yesNo(target.delivered, look),
  yesNo(target.converged, look),
  takenBackWords(target, rollout, look),
  target.error === null ? '-' : look.paint.red(errorWords(target, look)),
];

/** `fail  script-errors  api/1%  41 of 9,120 …`: the verdict and its evidence in one sentence. */
export const verdictCells = (verdict: VerdictView, look: Look): readonly string[] => [
  paintStatus(verdict.verdict, look.paint),
  plain(verdict.signal) + (verdict.shadow ? look.paint.dim(' (shadow)') : ''),
  plain([verdict.track, verdict.stage].filter((part) => part !== null).join('/') || '-'),
  plain(verdict.sentence),
];

/** `pass  vertex  api and bedrock  parity of … is shown: 1,200 pairs …`. */
export const parityCells = (parity: ParityView, look: Look): readonly string[] => [
  paintStatus(parity.verdict, look.paint),
  plain(parity.track),
  plain(parity.between.join(' and ')),
  plain(parity.sentence),
];

export const parityTable = (parities: readonly ParityView[], look: Look): string =>
  parities.length === 0
    ? ''
    : table(
        ['VERDICT', 'TRACK', 'WAITS FOR PARITY OF', 'EVIDENCE'],
        parities.map((parity) => parityCells(parity, look)),
        look,
      );

const heldLine = ({ held }: RolloutView, look: Look): readonly string[] => {
  if (!held) return [];
  const until = held.until === null ? '' : ` until ${showTime(held.until, look.zone)}`;
  return [look.paint.yellow(`held     by a ${held.by}${until}: ${plain(held.reason)}`)];
};

const headLines = (rollout: RolloutView, look: Look): readonly string[] => {
  const { paint, zone, now } = look;
  const ended = rollout.endedAt === null ? [] : [`ended    ${showTime(rollout.endedAt, zone)}`];
  return [
    `${paint.bold(`${plain(rollout.config)} r${rollout.revision}`)} by plan ${plain(rollout.plan)}: ${statusWords(rollout, look)}`,
    `rollout  ${rollout.id}`,
    `started  ${showTime(rollout.startedAt, zone)} (${showAgo(rollout.startedAt, now)}) by ${plain(rollout.startedBy)}`,
    ...ended,
    `reason   ${plain(rollout.reason)}`,
    ...(rollout.reverts === null ? [] : [`reverts  r${rollout.reverts}`]),
    ...(rollout.bypass === null ? [] : [paint.yellow(`bypass   without stages: ${plain(rollout.bypass)}`)]),
    `alpha    ${showChance(rollout.alpha)}: the highest chance that a harmless rollout is rolled back`,
    ...(rollout.cause === null ? [] : [`cause    ${plain(rollout.cause)}`]),
    ...heldLine(rollout, look),
  ];
};

/** What it waits for, without its hold, which has a line of its own. */
const otherWaits = ({ waitingFor, held }: RolloutView): readonly string[] =>
  held === null ? waitingFor : waitingFor.filter((what) => !` ${what}`.endsWith(` held: ${held.reason}`));

const section = (title: string, body: string, look: Look): readonly string[] =>
  body === '' ? [] : ['', look.paint.bold(title), body];

/** Everything about one rollout. */
export const renderRollout = (rollout: RolloutView, look: Look): string => {
  const stages = table(
    ['TRACK', 'STAGE', 'EXPOSURE', 'STATUS', 'ENTERED', 'BAKED'],
    rollout.tracks.flatMap((track) => stageRows(track, isWithdrawn(rollout) || isGone(track), look)),
    look,
    ['EXPOSURE'],
  );
  const targets = table(
    ['TARGET', 'CONTROL', 'DESIRED', 'GENERATION', 'DELIVERED', 'CONVERGED', 'TAKEN BACK', 'ERROR'],
    rollout.targets.map((target) => targetRow(target, rollout, look)),
    look,
    [
      ...(rollout.targets.some(({ error }) => error !== null) ? [] : ['ERROR']),
      ...(isWithdrawn(rollout) || rollout.targets.some(isLeaving) ? [] : ['TAKEN BACK']),
      'GENERATION',
      'DELIVERED',
    ],
  );
  const verdicts = table(
    ['VERDICT', 'SIGNAL', 'STAGE', 'EVIDENCE'],
    rollout.verdicts.map((verdict) => verdictCells(verdict, look)),
    look,
  );
  const violations = table(
    ['INVARIANT', 'TARGET', 'MODEL', 'INSTANCE', 'REQUEST', 'REPORTED BY', 'FIRST SEEN'],
    rollout.violations.map(({ signal, target, model, instance, request, reporter, at }) => [
      ...[signal, target, model, instance, request ?? '-', reporter].map(plain),
      solid(showTime(at, look.zone)),
    ]),
    look,
    ['REPORTED BY', 'FIRST SEEN', 'INSTANCE'],
  );
  return [
    ...headLines(rollout, look).map((line) => hang(line, look.width, 9)),
    ...section('Stages', stages, look),
    ...section('Targets', targets, look),
    ...section('Way back', wayBackTable(rollout.targets, look), look),
    ...section('Verdicts', verdicts, look),
    ...section('Parity', parityTable(rollout.parity, look), look),
    ...section('Violations', rollout.violations.length === 0 ? '' : violations, look),
    ...section(
      'Waiting for',
      otherWaits(rollout)
        .map((what) => hang(`- ${plain(what)}`, look.width, 2))
        .join('\n'),
      look,
    ),
  ].join('\n');
};
