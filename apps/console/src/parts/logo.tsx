import type { JSX } from 'react';

/** A gate at the mouth of a channel, half open. */
export const Logo = (): JSX.Element => (
  <svg viewBox="0 0 32 32" width="26" height="26" fill="currentColor" aria-hidden="true">
    <path d="M4 4h4v24H4zM24 4h4v24h-4zM8 6h16v4H8zM10 12h12v9H10z" />
  </svg>
);
