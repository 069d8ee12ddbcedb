import type { JSX } from 'react';
import type { TargetView } from '#libs/contracts';
import { Age } from './time.js';

const MOST = 5;

/** Who of a target has stopped talking since it was asked, and when each was heard last. */
export const Silent = ({
  names,
  known,
  children,
}: {
  readonly names: readonly string[];
  readonly known: TargetView | undefined;
  /** What that means. */
  readonly children: string;
}): JSX.Element | null => {
  if (names.length === 0) return null;
  return (
    <div className="warn small wrap">
      {names.slice(0, MOST).map((name, index) => {
        const heard = known?.silent.find(({ instance }) => instance === name);
        return (
          <span key={name}>
            {index === 0 ? '' : ', '}
            {name}
            {heard ? (
              <>
                {' '}
                (last heard <Age at={heard.seenAt} suffix=" ago" />)
              </>
            ) : null}
          </span>
        );
      })}
      {names.length > MOST ? ` and ${names.length - MOST} more` : ''} {names.length === 1 ? 'has' : 'have'} stopped
      talking: {children}
    </div>
  );
};
