import type { ChangeReport, ProbeRow, ReplayReport } from '#libs/domain';
import { showDuration } from '../format.js';
import { evidenceChart, exposureChart, harmChart } from './charts.js';
import { escape } from './svg.js';
import {
  ALONE_HARMLESS,
  isAloneHarmless,
  LIVE_ALREADY,
  alongsideLines,
  showAfter,
  showEnd,
  showMoment,
  showChance,
  wasMissed,
  whole,
  whyMissed,
} from './words.js';

const item = (text: string, lead = ''): string =>
  `<li>${lead === '' ? '' : `<b>${escape(lead)}</b> `}${escape(text)}</li>`;

const badge = (report: ChangeReport): string => {
  const kind = report.stop ? 'ours' : wasMissed(report) ? 'missed' : '';
  const after = showAfter(report);
  return `<span class="badge ${kind}">${escape(showEnd(report))}${after === '' ? '' : ` after ${escape(after)}`}</span>`;
};

const stagesOf = ({ stages, planned, stop }: ChangeReport): string => {
  if (stages.length === 0) return '';
  const reached = stages.map(({ track, stage, from, until, passed }) => {
    const kind = passed ? 'passed' : stop ? 'stopped' : '';
    const name = track === '*' ? stage : `${track} ${stage}`;
    return `<li class="${kind}">${escape(name)}<br>${until === null ? 'going on' : escape(showDuration(until - from))}</li>`;
  });
  const others = planned
    .filter(({ track, stage }) => !stages.some((each) => each.track === track && each.stage === stage))
    .map(({ track, stage }) => `<li>${escape(`${track} ${stage}`)}<br>not reached</li>`);
  return `<h4>Stages</h4><ul class="stages">${[...reached, ...others].join('')}</ul>`;
};

const evidenceOf = (report: ChangeReport): string => {
  if (report.refusal !== null) return `<blockquote class="missed">${escape(report.refusal)}</blockquote>`;
  if (report.outcome === 'imported') return `<blockquote class="quiet">${escape(LIVE_ALREADY)}</blockquote>`;
  if (report.stop) return `<blockquote>${escape(report.stop.sentence)}</blockquote>`;
  if (!wasMissed(report)) return '';
  return `<blockquote class="missed">${escape(whyMissed(report))}</blockquote>`;
};

const notesOf = (report: ChangeReport, all: ReplayReport['changes']): string => {
  const { occurred, published, stop } = report;
  const notes = [
    item(
      `${occurred.on} (known to the ${occurred.precision}); started here on ${showMoment(report.startedAt)} UTC`,
      'When',
    ),
    ...occurred.conflicts.map((text) => item(text, 'Sources differ')),
    ...published.map(({ text, source }) => item(`${text} (${source})`, 'Published')),
    ...(stop
      ? [
          item(
            `${stop.method}, ${stop.tookMs === null ? 'not back by the end' : `back on every target ${showDuration(stop.tookMs)} later`}`,
            'Decided by',
          ),
        ]
      : []),
    ...(isAloneHarmless(report) ? [item(ALONE_HARMLESS)] : []),
    ...alongsideLines(report, all).map((text) => item(text, 'Live beside it')),
  ];
  return `<ul class="notes">${notes.join('')}</ul>`;
};

const outlookOf = ({ outlook }: ChangeReport): string => {
  if (outlook.length === 0) return '';
  const rows = outlook.map(
    ({ track, stage, expectedMs, withinBake }) =>
      `<tr><td>${escape(`${track} ${stage}`)}</td><td>${escape(showDuration(expectedMs))}</td><td>${escape(showChance(withinBake))}</td></tr>`,
  );
  const requests = whole(outlook[0]?.requests ?? 0);
  return `<h4>When the invariant is expected to be seen: once in ${requests} candidate requests</h4>
<table><tr><th>stage</th><th>mean time to the first</th><th>chance within the stage</th></tr>${rows.join('')}</table>`;
};

const probeCell = (rows: readonly ProbeRow[]): string => {
  const candidate = rows.reduce((sum, { candidateOnly }) => sum + candidateOnly, 0);
  const control = rows.reduce((sum, { controlOnly }) => sum + controlOnly, 0);
  const excess = Math.min(1, Math.max(0, Math.log2((candidate + 1) / (control + 1)) / 2));
  return `<td style="background: color-mix(in srgb, var(--real) ${Math.round(excess * 70)}%, var(--page))">${candidate} : ${control}</td>`;
};

const probesOf = ({ probes }: ChangeReport): string => {
  if (probes.length === 0) return '';
  const sizes = [...new Set(probes.map(({ batchSize }) => batchSize))];
  const models = [...new Set(probes.map(({ model }) => model))];
  const head = sizes.map((size) => `<th class="size">batch ${size}</th>`).join('');
  const rows = models.map((model) => {
    const cells = sizes.map((size) =>
      probeCell(probes.filter((each) => each.model === model && each.batchSize === size)),
    );
    return `<tr><th>${escape(model)}</th>${cells.join('')}</tr>`;
  });
  return `<h4>Paired probe: prompts on which only the candidate differed : only control differed</h4>
<div class="wide"><table class="grid"><tr><th></th>${head}</tr>${rows.join('')}</table></div>`;
};

const decidedByRate = (report: ChangeReport): boolean => report.stop === null || report.stop.method !== 'invariant-v1';

const verdictsOf = ({ signals, stop }: ChangeReport): string => {
  if (signals.length === 0) return '';
  const shown = signals.filter(({ signal }) => signal !== stop?.signal);
  const rows = shown.map(({ sentence, verdict }) => `<tr><td>${escape(verdict)}</td><td>${escape(sentence)}</td></tr>`);
  return `<details><summary class="mono">what the other signals said</summary><table>${rows.join('')}</table></details>`;
};

/** Everything about one change: its course with Headgate, its evidence, and what really happened. */
export const changeCard = (report: ChangeReport, all: ReplayReport): string => {
  const name = report.isComparison ? `${report.title}, under ${report.plan} alone` : report.title;
  const plan = report.plan === null ? '' : ` · plan ${report.plan} · by ${report.assignment}`;
  const ran = report.stages.length > 0;
  const evidence =
    ran && decidedByRate(report) ? `<h4>Evidence of harm: e-value by signal</h4>${evidenceChart(report)}` : '';
  return `<section class="change" id="${escape(report.change + (report.isComparison ? `-${report.plan}` : ''))}">
<div class="head"><h3>${escape(name)}</h3>${badge(report)}</div>
<p class="mono">${escape(`${report.config}${report.revision === null ? '' : ` r${report.revision}`}${plan}`)}</p>
${evidenceOf(report)}
<div class="columns"><div>${notesOf(report, all.changes)}${stagesOf(report)}${outlookOf(report)}${probesOf(report)}</div>
<div><h4>Exposed and harmed (logarithmic scale)</h4>${harmChart(report)}${ran ? `<h4>Share on the candidate</h4>${exposureChart(report)}` : ''}${evidence}</div></div>
${verdictsOf(report)}</section>`;
};
