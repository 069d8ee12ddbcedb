import type { JSX } from 'react';
import type { Look, Mark } from '../words/status.js';

const SHAPES: Readonly<Record<Mark, JSX.Element>> = {
  check: <path d="M3 8.5l3.2 3.2L13 4.8" />,
  cross: (
    <>
      <path d="M8 1.5l6.5 6.5L8 14.5 1.5 8z" />
      <path d="M8 4.8v3.8M8 10.6v.6" />
    </>
  ),
  half: (
    <>
      <circle cx="8" cy="8" r="6" />
      <path d="M8 2a6 6 0 010 12z" fill="currentColor" stroke="none" />
    </>
  ),
  ring: <circle cx="8" cy="8" r="6" strokeDasharray="2.6 2.1" />,
  pause: <path d="M5 3v10M11 3v10" strokeWidth="3" />,
  back: <path d="M6 3L2 7l4 4M2.5 7H10a4 4 0 010 7H7" />,
  play: <path d="M4 2.5v11L13 8z" fill="currentColor" />,
  eye: (
    <>
      <path d="M1 8s2.5-4.5 7-4.5S15 8 15 8s-2.5 4.5-7 4.5S1 8 1 8z" />
      <circle cx="8" cy="8" r="2" fill="currentColor" />
    </>
  ),
  dash: <path d="M3 8h10" />,
  flag: <path d="M4 15V2h8.5l-2.5 3 2.5 3H4" />,
  swap: <path d="M2 5.5h11l-3-3M14 10.5H3l3 3" />,
};

export const Shape = ({ mark }: { readonly mark: Mark }): JSX.Element => (
  <svg
    viewBox="0 0 16 16"
    width="16"
    height="16"
    fill="none"
    stroke="currentColor"
    strokeWidth="2"
    strokeLinecap="round"
    strokeLinejoin="round"
    aria-hidden="true"
  >
    {SHAPES[mark]}
  </svg>
);

/** A state in shape, colour and word at once. */
export const StateMark = ({
  look,
  isPill = true,
  children,
}: {
  readonly look: Look;
  readonly isPill?: boolean;
  readonly children?: string | undefined;
}): JSX.Element => (
  <span className={`mark ${isPill ? 'pill' : ''} ${look.tone}`}>
    <Shape mark={look.mark} />
    {children ?? look.words}
  </span>
);
