import type { ChangeReport, ReplayReport } from '#libs/domain';
import { showDuration } from '../format.js';
import { changeCard } from './cards.js';
import { timelineChart } from './charts.js';
import type { Script } from './script.js';
import { STYLE } from './style.js';
import { escape } from './svg.js';
import { showAmount, showSpan, wasHarmful } from './words.js';

const tile = (figure: string, words: string, kind = ''): string =>
  `<div class="tile ${kind}"><b>${escape(figure)}</b><span>${escape(words)}</span></div>`;

const inFirstStage = ({ stop, stages }: ChangeReport): boolean =>
  stop !== null && stages.filter(({ track }) => track === stages[0]?.track).length === 1;

const tilesOf = (report: ReplayReport): string => {
  const tried = report.changes.filter(({ isComparison, outcome }) => !isComparison && outcome !== 'imported');
  // A change that is harmful only together with another one is no harm where that other one was stopped.
  const harmful = tried.filter((each) => wasHarmful(each) && (each.stop !== null || each.withHeadgate.affected > 0));
  const first = harmful.filter(inFirstStage);
  const bad = tried.reduce((sum, { withHeadgate }) => sum + withHeadgate.affected, 0);
  const really = tried.reduce((sum, change) => sum + change.really.affected, 0);
  const slowest = Math.max(0, ...first.map(({ stop }) => stop?.afterMs ?? 0));
  return `<div class="tiles">${[
    tile(`${first.length} of ${harmful.length}`, `harmful changes stopped in their first stage`, 'good'),
    tile(showDuration(slowest), 'until the slowest of these was taken back', 'good'),
    tile(showAmount(bad), 'bad requests with Headgate, in this run', 'good'),
    tile(showAmount(really), 'bad requests really: published rates times assumed traffic', 'bad'),
  ].join('')}</div>`;
};

const KEY = `<ul class="key"><li><i class="real"></i>what really happened</li><li><i class="ours"></i>with Headgate: out until it was taken back</li>
<li><i class="fine"></i>with Headgate: harmless, settled</li><li><i class="missed"></i>with Headgate: harmful and not seen</li></ul>`;

const checksOf = ({ checks }: ReplayReport): string => {
  if (checks.length === 0) return '';
  const items = checks.map(
    ({ claim, met, found }) =>
      `<li class="${met ? 'met' : 'unmet'}">${escape(claim)} <span>(${escape(found)})</span></li>`,
  );
  return `<h2>What the script expects</h2><div class="panel"><ul class="checks">${items.join('')}</ul></div>`;
};

const originsOf = ({ origins }: ReplayReport, sources: Script['sources']): string => {
  const rows = origins.map(({ of, source, assumption }) => {
    const words = [
      source === null ? '' : `<div><span class="sourced">SOURCE</span> ${escape(source)}</div>`,
      assumption === null ? '' : `<div><span class="assumed">ASSUMED</span> ${escape(assumption)}</div>`,
    ];
    return `<tr><td class="mono">${escape(of)}</td><td>${words.join('')}</td></tr>`;
  });
  const named = Object.entries(sources).map(
    ([name, { title, url }]) =>
      `<li><b>${escape(name)}</b> <a href="${escape(url)}" rel="noreferrer">${escape(title)}</a></li>`,
  );
  return `<h2>Sources and assumptions</h2><p class="lead">Every part of the script says where its numbers come from, and where it had to assume them.</p>
<div class="panel"><ul class="notes">${named.join('')}</ul><table>${rows.join('')}</table></div>`;
};

/** The report of a replay as one page that loads nothing. */
export const replayPage = (report: ReplayReport, sources: Script['sources']): string => {
  const cards = report.changes.map((change) => changeCard(change, report));
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escape(report.title)}: replay</title><style>${STYLE}</style></head><body><main>
<header><p class="over">Headgate replay</p><h1>${escape(report.title)}</h1>
<p>${escape(showSpan(report.from, report.until))} on a virtual clock, through the same deciders and gate as in the running controller. Seed ${report.seed}; ${escape(showAmount(report.worked.requests))} requests were drawn beside open rollouts. All times are UTC.</p></header>
${tilesOf(report)}
<h2>The weeks</h2><p class="lead">Above, each change as it really went; below it, as it would have gone through its plan.</p>
<div class="panel">${KEY}<div class="wide">${timelineChart(report)}</div></div>
<h2>Change by change</h2>${cards.join('')}
${checksOf(report)}
${originsOf(report, sources)}
<footer>One seed is one run: another gives other counts. What really happened is computed from published rates and the assumed traffic, not measured.</footer>
</main></body></html>
`;
};
