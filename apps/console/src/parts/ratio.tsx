import type { JSX } from 'react';
import { showInterval, showRatio } from '../words/format.js';

const WIDTH = 420;
const HEIGHT = 62;
const PAD = 14;
const MIDDLE = 24;

type Props = {
  readonly ratio: number | null;
  readonly interval: readonly [number | null, number | null] | null;
  /** Harm is a ratio beyond this one. */
  readonly harm: number;
  /** To go on, it must be shown to be on this side; null where no proof is asked. */
  readonly tolerate: number | null;
  readonly worse: 'higher' | 'lower';
};

type Line = { readonly at: number; readonly kind: 'one' | 'harm' | 'margin'; readonly text: string };

const linesOf = ({ harm, tolerate, worse }: Props): readonly Line[] => {
  const side = (value: number): number => (worse === 'lower' ? 1 / value : value);
  const lines: Line[] = [{ at: 1, kind: 'one', text: 'as control' }];
  if (harm !== 1) lines.push({ at: side(harm), kind: 'harm', text: `harm ${showRatio(side(harm))}` });
  if (tolerate !== null)
    lines.push({ at: side(tolerate), kind: 'margin', text: `margin ${showRatio(side(tolerate))}` });
  return lines;
};

/** How a signal on the candidate compares with control: estimate and interval on a scale of ratios, with the lines that decide. */
export const RatioPicture = (props: Props): JSX.Element => {
  const { ratio, interval } = props;
  const lines = linesOf(props);
  const [low, high] = interval ?? [null, null];
  const known = [ratio, low, high, ...lines.map(({ at }) => at)].filter(
    (each): each is number => each !== null && each > 0,
  );
  const least = Math.log(Math.max(0.02, Math.min(0.5, ...known) / 1.25));
  const most = Math.log(Math.min(200, Math.max(2, ...known) * 1.25));
  const x = (value: number): number => {
    const part = (Math.log(Math.max(value, 1e-6)) - least) / (most - least);
    return PAD + Math.min(1, Math.max(0, part)) * (WIDTH - 2 * PAD);
  };
  const from = low === null ? PAD : x(low);
  const to = high === null ? WIDTH - PAD : x(high);
  const words = `${ratio === null ? 'no estimate' : `estimate ${showRatio(ratio)} of control`}, ${showInterval(interval)}`;
  return (
    <svg className="ratio" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={words} width="100%">
      <line className="axis" x1={PAD} x2={WIDTH - PAD} y1={MIDDLE} y2={MIDDLE} />
      {interval === null ? null : (
        <rect
          className="band"
          x={from}
          width={Math.max(2, to - from)}
          y={MIDDLE - 8}
          height={16}
          rx={low === null || high === null ? 0 : 4}
        />
      )}
      {lines.map(({ at, kind, text }, index) => (
        <g key={kind}>
          <line className={kind} x1={x(at)} x2={x(at)} y1={6} y2={MIDDLE + 12} strokeWidth={1.5} />
          <text x={x(at)} y={index % 2 === 0 ? MIDDLE + 23 : MIDDLE + 35} textAnchor="middle">
            {text}
          </text>
        </g>
      ))}
      {ratio === null ? null : <circle className="dot" cx={x(ratio)} cy={MIDDLE} r={5} />}
    </svg>
  );
};
