import { useComputedColorScheme } from '@mantine/core';
import { useEffect, useRef, type JSX } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { EvidenceView } from '#libs/contracts';
import { showClock, showDay, showE } from '../words/format.js';

type Pool = EvidenceView['signals'][number]['pools'][number];

const HEIGHT = 170;

/** Strongly negative logarithms only say that nothing speaks for harm: the picture is about the way up to the bound. */
const LOWEST = -3;

const DAY_MS = 86_400_000;

/** The time of day, or the day where the course is long; in 24 hours, as everywhere here. */
const showTick = (tick: number, { course }: Pool): string => {
  const iso = new Date(tick * 1_000).toISOString();
  const spanMs = Date.parse(course.at(-1)?.at ?? '') - Date.parse(course[0]?.at ?? '');
  if (spanMs > 2 * DAY_MS) return showDay(iso).slice(5);
  const clock = showClock(iso);
  return spanMs < 600_000 ? clock : clock.slice(0, 5);
};

/** The same words twice say nothing. */
const once = (words: readonly string[]): (string | null)[] =>
  words.map((word, index) => (word === words[index - 1] ? null : word));

const dataOf = ({ course, logBound }: Pool): uPlot.AlignedData => [
  course.map(({ at }) => Date.parse(at) / 1_000),
  course.map(({ logE }) => Math.max(LOWEST, logE / Math.LN10)),
  course.map(() => logBound / Math.LN10),
];

const optionsOf = (element: HTMLElement, pool: Pool): uPlot.Options => {
  const style = getComputedStyle(element);
  const colour = (name: string): string => style.getPropertyValue(name).trim();
  const axis = { stroke: colour('--dim'), grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false } };
  const bound = pool.logBound / Math.LN10;
  return {
    width: element.clientWidth || 400,
    height: HEIGHT,
    cursor: { sync: { key: 'evidence' }, drag: { x: false, y: false }, y: false },
    legend: { show: false },
    scales: {
      x: { time: true },
      y: { range: (_, low, high) => [Math.min(-1, low), Math.max(bound * 1.12, high)] },
    },
    axes: [
      { ...axis, size: 28, space: 80, values: (_, ticks) => once(ticks.map((tick) => showTick(tick, pool))) },
      { ...axis, size: 58, values: (_, ticks) => ticks.map((tick) => showE(tick * Math.LN10)) },
    ],
    series: [
      {},
      { stroke: colour('--moving'), width: 2, fill: colour('--moving-soft'), points: { show: pool.course.length < 3 } },
      { stroke: colour('--bad'), width: 2, dash: [6, 4], points: { show: false } },
    ],
  };
};

/** The e-value over time against the bound at which harm is proved, on a scale of powers of ten. */
const Chart = ({ pool, words }: { readonly pool: Pool; readonly words: string }): JSX.Element => {
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot>(null);
  const scheme = useComputedColorScheme();
  useEffect(() => {
    const element = place.current;
    if (!element) return undefined;
    const made = new uPlot(optionsOf(element, pool), dataOf(pool), element);
    chart.current = made;
    const observer = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
    };
    // Drawn anew for other colours or another bound; data alone is set below.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [scheme, pool.logBound]);
  useEffect(() => chart.current?.setData(dataOf(pool)), [pool]);
  return <div ref={place} className="chart" role="img" aria-label={words} />;
};

/** One look is no course yet: how far it is on the way to the bound, on the same scale of powers. */
const Meter = ({ pool, words }: { readonly pool: Pool; readonly words: string }): JSX.Element => {
  const part = Math.min(1, Math.max(0, pool.maxLogE / pool.logBound));
  return (
    <span className={`share ${part === 1 ? 'bad' : 'moving'}`} role="img" aria-label={words}>
      <span className="there" style={{ width: `${part * 100}%` }} />
    </span>
  );
};

/** How near the proof of harm is: the e-value, over time where there is more than one look, against its bound. */
export const Course = ({ pool, title }: { readonly pool: Pool; readonly title: string }): JSX.Element => {
  const words = `${title}: e-value ${showE(pool.logE)}, highest ${showE(pool.maxLogE)}, bound ${showE(pool.logBound)}`;
  const isReached = pool.maxLogE >= pool.logBound;
  return (
    <figure style={{ margin: 0 }}>
      <figcaption className="small dim row">
        <span>
          <span className="legend moving" />
          e-value {showE(pool.logE)}, highest {showE(pool.maxLogE)}
        </span>
        <span className={isReached ? 'bad' : ''}>
          <span className="legend dashed bad" />
          bound {showE(pool.logBound)}
          {isReached ? ': reached' : ''}
        </span>
      </figcaption>
      {pool.course.length > 1 ? <Chart pool={pool} words={words} /> : <Meter pool={pool} words={words} />}
    </figure>
  );
};
