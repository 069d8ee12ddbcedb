import type { JSX } from 'react';
import type { RolloutView, VerdictView } from '#libs/contracts';
import { Course } from '../../parts/course.js';
import { StateMark } from '../../parts/mark.js';
import { RatioPicture } from '../../parts/ratio.js';
import { Age } from '../../parts/time.js';
import {
  harmWords,
  headVerdict,
  isOfValues,
  marginNow,
  nearestPool,
  stalest,
  underTitle,
  type Pool,
  type Signal,
} from '../../words/evidence.js';
import { showCount, showE, showInterval, showRate, showRatio } from '../../words/format.js';
import { verdictLook } from '../../words/status.js';

const NOT_YET = { tone: 'unknown', mark: 'ring', words: 'no verdict yet' } as const;

type Values = NonNullable<VerdictView['values']>['candidate'];

const valuesWords = (values: Values): string => {
  if (values === null) return 'nothing measured';
  const { mean, quantiles } = values;
  const round = (value: number): string => String(Number(value.toPrecision(3)));
  if (quantiles === null) return `mean ${round(mean)}`;
  const [median, p90, p99] = quantiles;
  return `median ${round(median ?? 0)}, p90 ${round(p90 ?? 0)}, p99 ${round(p99 ?? 0)}`;
};

const Arms = ({ verdict, signal }: { readonly verdict: VerdictView; readonly signal: Signal }): JSX.Element => {
  const { candidateBad, candidateRequests, controlBad, controlRequests } = verdict.counts;
  const arm = (name: string, bad: number, of: number, values: Values): JSX.Element => (
    <tr>
      <th scope="row">{name}</th>
      {isOfValues(signal) ? null : <td className="number">{showCount(bad)}</td>}
      <td className="number">{showCount(isOfValues(signal) ? (values?.count ?? 0) : of)}</td>
      <td className="number">{isOfValues(signal) ? valuesWords(values) : showRate(bad, of)}</td>
    </tr>
  );
  return (
    <table className="grid">
      <thead>
        <tr>
          <th scope="col">arm</th>
          {isOfValues(signal) ? null : (
            <th scope="col" className="number">
              bad
            </th>
          )}
          <th scope="col" className="number">
            {isOfValues(signal) ? 'values' : 'of requests or units'}
          </th>
          <th scope="col" className="number">
            {isOfValues(signal) ? 'measured' : 'share'}
          </th>
        </tr>
      </thead>
      <tbody>
        {arm('candidate', candidateBad, candidateRequests, verdict.values?.candidate ?? null)}
        {arm('control', controlBad, controlRequests, verdict.values?.control ?? null)}
      </tbody>
    </table>
  );
};

const Slices = ({ signal, pool }: { readonly signal: Signal; readonly pool: Pool }): JSX.Element | null => {
  const measured = pool.slices.filter((slice) => slice.candidateRequests > 0 || slice.candidateBad > 0);
  return measured.length < 2 ? null : (
    <details>
      <summary className="small">Slices: {measured.length}</summary>
      <div className="scroll" tabIndex={0} role="region" aria-label={`Slices of ${signal.title}`}>
        <table className="grid small">
          <thead>
            <tr>
              <th scope="col">target, model</th>
              <th scope="col" className="number">
                candidate
              </th>
              <th scope="col" className="number">
                control
              </th>
              <th scope="col" className="number">
                highest e-value
              </th>
            </tr>
          </thead>
          <tbody>
            {measured
              .toSorted((a, b) => b.maxLogE - a.maxLogE)
              .map((slice) => (
                <tr key={`${slice.target} ${slice.model}`} className={slice.proved ? 'bad' : ''}>
                  <th scope="row" className="wrap">
                    {slice.target}, {slice.model}
                    {slice.proved ? ': proves harm by itself' : ''}
                  </th>
                  <td className="number">
                    {showCount(slice.candidateBad)} of {showCount(slice.candidateRequests)}
                  </td>
                  <td className="number">
                    {showCount(slice.controlBad)} of {showCount(slice.controlRequests)}
                  </td>
                  <td className="number">
                    {showE(slice.maxLogE)} of {showE(slice.logBound)}
                  </td>
                </tr>
              ))}
          </tbody>
        </table>
      </div>
    </details>
  );
};

const Others = ({
  signal,
  head,
}: {
  readonly signal: Signal;
  readonly head: VerdictView | undefined;
}): JSX.Element | null => {
  const others = signal.verdicts.filter((verdict) => verdict !== head);
  if (others.length === 0) return null;
  return (
    <details>
      <summary className="small">Other verdicts: {others.length}</summary>
      {others.map((verdict) => (
        <p key={`${verdict.track} ${verdict.stage} ${verdict.at}`} className="small wrap">
          <StateMark look={verdictLook(verdict.verdict)} isPill={false} />{' '}
          {[verdict.track, verdict.stage].filter((part) => part !== null).join('/')}: {verdict.sentence}
        </p>
      ))}
    </details>
  );
};

const Freshness = ({ signal }: { readonly signal: Signal }): JSX.Element | null => {
  const worst = stalest(signal);
  if (worst === undefined) return null;
  return (
    <span className="small dim">
      {worst.measuredUntil === null ? (
        <span className="warn">never measured on {worst.target}</span>
      ) : (
        <>
          {signal.freshness.length > 1 ? `on all ${signal.freshness.length} targets ` : ''}measured until{' '}
          <Age at={worst.measuredUntil} suffix=" ago" />
        </>
      )}
    </span>
  );
};

/** One signal: what it says, by how much, how sure, how fresh, and how near the bound. */
export const SignalTile = ({
  signal,
  rollout,
}: {
  readonly signal: Signal;
  readonly rollout: RolloutView;
}): JSX.Element => {
  const verdict = headVerdict(signal);
  const pool = nearestPool(signal);
  const isCompared = verdict !== undefined && signal.type !== 'invariant';
  return (
    <article
      className={`panel tile ${verdict?.verdict === 'fail' && !signal.shadow ? 'alarm' : ''}`}
      aria-label={signal.title}
    >
      <div className="row between">
        <h3>
          {signal.title}
          {signal.shadow ? <span className="dim"> (shadow: decides nothing)</span> : null}
        </h3>
        <StateMark look={verdict ? verdictLook(verdict.verdict) : NOT_YET} />
      </div>
      {verdict ? (
        <p className="sentence wrap">{underTitle(verdict.sentence, signal.title)}</p>
      ) : (
        <p className="dim">Nothing was judged yet.</p>
      )}
      {isCompared ? (
        <div>
          <span className="small dim">
            candidate over control: <b>{verdict.ratio === null ? 'no estimate yet' : showRatio(verdict.ratio)}</b>,{' '}
            {showInterval(verdict.interval)}
          </span>
          <RatioPicture
            ratio={verdict.ratio}
            interval={verdict.interval}
            harm={signal.harm}
            tolerate={marginNow(signal, verdict, rollout)}
            worse={signal.worse}
          />
        </div>
      ) : null}
      {verdict ? (
        <div className="scroll">
          <Arms verdict={verdict} signal={signal} />
        </div>
      ) : null}
      {pool && pool.course.length > 0 && signal.type !== 'invariant' ? (
        <Course pool={pool} title={signal.title} />
      ) : null}
      <div className="row between">
        <span className="small dim">
          {signal.type} from {signal.source}. {harmWords(signal)}
        </span>
        <Freshness signal={signal} />
      </div>
      {pool ? <Slices signal={signal} pool={pool} /> : null}
      <Others signal={signal} head={verdict} />
    </article>
  );
};
