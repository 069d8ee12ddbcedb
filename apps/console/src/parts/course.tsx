import { useComputedColorScheme } from '@mantine/core';
import { useEffect, useRef, type JSX } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { EvidenceView } from '#libs/contracts';
import { showE } from '../words/format.js';

type Pool = EvidenceView['signals'][number]['pools'][number];

const HEIGHT = 150;

/** Strongly negative logarithms only say that nothing speaks for harm: the picture is about the way up to the bound. */
const LOWEST = -3;

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
    scales: { x: { time: true }, y: { range: (_, low, high) => [Math.min(-1, low), Math.max(bound * 1.12, high)] } },
    axes: [
      { ...axis, size: 24 },
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
export const CourseChart = ({ pool, title }: { readonly pool: Pool; readonly title: string }): JSX.Element => {
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
  const last = pool.course.at(-1);
  const words = `${title}: e-value ${showE(pool.logE)}, highest ${showE(pool.maxLogE)}, bound ${showE(pool.logBound)}`;
  return (
    <figure style={{ margin: 0 }}>
      <figcaption className="small dim row">
        <span>
          <span className="legend moving" />
          e-value {last ? showE(pool.logE) : 'not begun'}, highest {showE(pool.maxLogE)}
        </span>
        <span>
          <span className="legend dashed bad" />
          bound {showE(pool.logBound)}
        </span>
      </figcaption>
      <div ref={place} className="chart" role="img" aria-label={words} />
    </figure>
  );
};
