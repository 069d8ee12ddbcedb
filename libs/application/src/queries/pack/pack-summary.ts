import { asHeadgateEvent, stageName, summarise, type RecordedVerdict } from '#libs/domain';
import type { RecordedEvent, TreeHeadView } from '#libs/kernel';
import type { RolloutEntry } from '../live-view.js';
import { rolloutView } from '../views.js';
import { html, type Html } from './html.js';

/** Rows of a table in the page; the files beside it have all. */
const MOST_ROWS = 1_000;

export type Summarised = {
  readonly entry: RolloutEntry;
  /** The stream of the rollout. */
  readonly events: readonly RecordedEvent[];
  /** Configs, plan and signals that it used. */
  readonly around: readonly RecordedEvent[];
  readonly head: TreeHeadView;
  readonly madeAt: string;
  readonly hasLooks: boolean;
};

type Row = readonly (string | number | Html)[];

const STYLE = {
  html: `body{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}
table{border-collapse:collapse;width:100%;margin:1rem 0;font-size:.875rem}
th,td{border:1px solid #bbb;padding:.3rem .5rem;text-align:left;vertical-align:top;overflow-wrap:anywhere}
th{background:#eee}pre{background:#f4f4f4;padding:.75rem;white-space:pre-wrap;overflow-wrap:anywhere}
@media print{body{margin:0;max-width:none}}`,
};

/** `2026-11-28 10:15:00 UTC` */
const moment = (iso: string | null): string => (iso === null ? '' : `${iso.slice(0, 19).replace('T', ' ')} UTC`);

const table = (heads: readonly string[], rows: readonly Row[]): Html => {
  if (rows.length === 0) return html`<p>None.</p>`;
  const shown = rows.slice(0, MOST_ROWS);
  const rest = rows.length - shown.length;
  return html`<table>
      <thead>
        <tr>
          ${heads.map((head) => html`<th scope="col">${head}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${shown.map(
          (row) =>
            html`<tr>
              ${row.map((cell) => html`<td>${cell}</td>`)}
            </tr> `,
        )}
      </tbody>
    </table>
    ${rest === 0 ? null : html`<p>${rest} more stand in events.ndjson.</p>`}`;
};

const ENDS: Readonly<Record<string, string>> = {
  settled: 'It settled: the new revision is what runs there now.',
  'rolled-back': 'It was taken back everywhere.',
  'rolling-back': 'It was being taken back when this was written.',
  superseded: 'A newer rollout of the same config took over from it.',
  cancelled: 'It was cancelled.',
};

const wordsOf = (events: readonly RecordedEvent[], type: string): readonly string[] =>
  events.filter((event) => event.type === type).map((event) => summarise(asHeadgateEvent(event)));

const story = ({ entry, events }: Summarised): Html => {
  const { rollout, startedBy, reason } = entry;
  const view = rolloutView(entry, undefined);
  const controls = [...new Set(view.targets.map(({ control }) => `r${control}`))].join(', ');
  const causes = [...wordsOf(events, 'DegradationDetected'), ...wordsOf(events, 'RollbackStarted')];
  const overrides = [...wordsOf(events, 'BakeSkipped'), ...wordsOf(events, 'RolloutHeld')];
  return html`<p>
      ${startedBy} began to roll out revision ${rollout.revision} of ${rollout.config} over ${controls} at
      ${moment(view.startedAt)}, by the plan ${rollout.plan.plan}, for this reason: “${reason}”.
    </p>
    ${causes.map((cause) => html`<p>${cause}.</p> `)}${overrides.map((override) => html`<p>${override}.</p> `)}
    <p>
      ${ENDS[rollout.status] ?? `It was going on when this was written (${rollout.status}).`}${rollout.endedAt === null ? '' : ` It ended at ${moment(view.endedAt)}.`}
    </p>`;
};

const stages = ({ entry }: Summarised): readonly Row[] =>
  rolloutView(entry, undefined).tracks.flatMap(({ name, targets, stages: all }) =>
    all.map((stage) => [
      name,
      stage.name,
      stageName(stage.exposureBp),
      targets.join(', '),
      moment(stage.enteredAt),
      stage.passedAt === null
        ? stage.status
        : `${moment(stage.passedAt)}${stage.skipped ? ', sent on by a person' : ''}`,
    ]),
  );

const counted = ({ counts, values }: RecordedVerdict): string =>
  values === null
    ? `${counts.candidateBad} of ${counts.candidateRequests} / ${counts.controlBad} of ${counts.controlRequests}`
    : `${counts.candidateRequests} / ${counts.controlRequests} values`;

const verdicts = ({ events }: Summarised): readonly Row[] =>
  events.flatMap((recorded): readonly Row[] => {
    const event = asHeadgateEvent(recorded);
    if (event.type !== 'VerdictRecorded') return [];
    const { verdict } = event.data;
    const stage = [verdict.track, verdict.stage].filter((part) => part !== null).join('/');
    const what = `${verdict.verdict}${verdict.shadow ? ' (shadow: decides nothing)' : ''}`;
    return [
      [
        recorded.position,
        stage,
        verdict.signal,
        what,
        verdict.sentence,
        counted(verdict),
        verdict.method,
        verdict.look,
      ],
    ];
  });

const course = ({ events }: Summarised): readonly Row[] =>
  events.map((event) => [
    event.position,
    moment(event.recordedAt),
    summarise(asHeadgateEvent(event)),
    event.metadata.actor.name,
    event.metadata.reason ?? '',
  ]);

const revisions = ({ around }: Summarised): readonly Html[] =>
  around.flatMap((recorded) => {
    const event = asHeadgateEvent(recorded);
    if (event.type !== 'RevisionProposed') return [];
    const { key, revision, value } = event.data;
    const { actor, reason } = recorded.metadata;
    return [
      html`<h3>${key} r${revision}</h3>
        <p>
          Event ${recorded.position}, by ${actor.name} at
          ${moment(recorded.recordedAt)}${reason === undefined ? '' : `: “${reason}”`}
        </p>
        <pre>${JSON.stringify(value, null, 2)}</pre> `,
    ];
  });

const proof = ({ entry, head, hasLooks }: Summarised): Html =>
  html`<p>
      Do not believe this page: have the folder or archive that it came in verified. It takes a public key of the log
      that you have from somewhere else, and no access to anything:
    </p>
    <pre>headgate verify PACK --key KEY</pre>
    <ul>
      <li>
        Each event here has a proof (RFC 9162) that it is one of the ${head.size} events of the log ${head.origin},
        whose signed head is from ${moment(head.signedAt)} (key ${head.keyId}, root ${head.root}).
      </li>
      <li>Revisions of configs, plan and signals are such events themselves.</li>
      <li>
        ${hasLooks ? 'Each verdict names a digest over all that was counted until then (looks.ndjson); the verdicts are computed again from it.' : 'What was counted is too much to go along: its digests are in the verdicts, and the controller computes them again (headgate explain --recompute).'}
      </li>
      <li>All files, this page too, are listed in manifest.txt by their SHA-256, signed by the key of the log.</li>
    </ul>
    <p>
      Not proved by this pack: that nothing came after event ${entry.position} of this rollout; that what the fleets
      reported was true; how many requests there were, which verdicts state and looks do not hold; what was seen of
      invariants, which is kept elsewhere for a limited time; and that the log is the one that others see, which takes a
      head or a witness of your own.
    </p>`;

/**
 * A rollout as one page for people: in words, as tables, and with how to verify it. It refers to nothing outside itself,
 * runs nothing, and shows text from elsewhere as text.
 */
export const packSummary = (about: Summarised): string => {
  const { rollout } = about.entry;
  const title = `${rollout.config} r${rollout.revision}: ${rollout.status}`;
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta
          http-equiv="Content-Security-Policy"
          content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
        />
        <meta name="viewport" content="width=device-width" />
        <title>${title}</title>
        <style>
          ${STYLE}
        </style>
      </head>
      <body>
        <h1>${title}</h1>
        <p>Rollout ${rollout.id}. Written at ${moment(about.madeAt)}.</p>
        <h2>What happened</h2>
        ${story(about)}
        <h2>Stages</h2>
        ${table(['Track', 'Stage', 'Exposure', 'Targets', 'Entered', 'Passed'], stages(about))}
        <h2>Verdicts</h2>
        ${table(['Event', 'Stage', 'Signal', 'Verdict', 'In words', 'Bad of requests, candidate / control', 'Method', 'Look'], verdicts(about))}
        <h2>Everything in order</h2>
        ${table(['Event', 'When', 'What', 'Who', 'Reason'], course(about))}
        <h2>What was rolled out, and by which rules</h2>
        ${revisions(about)}
        <h2>How to verify it</h2>
        ${proof(about)}
      </body>
    </html> `.html;
};
