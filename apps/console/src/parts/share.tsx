import type { JSX } from 'react';
import { showShare } from '../words/format.js';

type Props = {
  /** What was asked for, in basis points. */
  readonly askedBp: number;
  /** What the target serves, as far as it is known. */
  readonly thereBp: number;
  readonly tone?: 'moving' | 'good' | 'bad';
};

/** A share as a bar: hatched is asked for, full is there. The number stands beside it. */
export const ShareBar = ({ askedBp, thereBp, tone = 'moving' }: Props): JSX.Element => (
  <span
    className={`share ${tone}`}
    role="img"
    aria-label={`${showShare(thereBp)} there${askedBp === thereBp ? '' : `, ${showShare(askedBp)} asked for`}`}
  >
    {askedBp > 0 ? <span className="asked" style={{ width: `${askedBp / 100}%` }} /> : null}
    {thereBp > 0 ? <span className="there" style={{ width: `${thereBp / 100}%` }} /> : null}
  </span>
);
