import { Button, NativeSelect } from '@mantine/core';
import type { JSX } from 'react';
import { compareMoments, compareTwoPlatforms, type AtView, type Difference } from '#libs/contracts';
import type { TimeSearch } from '../../app/search.js';
import { Time } from '../../parts/time.js';
import { Differences } from './differences.js';

/** What differs between the moment that is compared with and the one that is shown. */
export const betweenMoments = (before: AtView | undefined, view: AtView): readonly Difference[] =>
  before === undefined ? [] : compareMoments(before, view);

type Props = {
  readonly view: AtView;
  readonly before: AtView | undefined;
  readonly at: number;
  readonly search: TimeSearch;
  readonly onChange: (part: TimeSearch) => void;
};

const Moments = ({ view, before, at, search: { against }, onChange }: Props): JSX.Element => {
  if (against === undefined)
    return (
      <Button variant="default" onClick={() => onChange({ against: at })} style={{ alignSelf: 'flex-start' }}>
        Compare others with this moment
      </Button>
    );
  return (
    <>
      <div className="row">
        <span>
          compared with #{against}
          {before?.at ? (
            <>
              {' '}
              (<Time at={before.at} />)
            </>
          ) : null}
        </span>
        <Button variant="default" onClick={() => onChange({ against: undefined })}>
          Stop comparing
        </Button>
      </div>
      {before ? (
        <Differences
          differences={betweenMoments(before, view)}
          before={`#${against}`}
          after={`#${at}`}
          none="Every target was to serve the same at both moments."
        />
      ) : null}
    </>
  );
};

const Platforms = ({ view, search, onChange }: Props): JSX.Element | null => {
  const platforms = [...new Set(view.targets.map(({ platform }) => platform))].toSorted();
  const { left, right } = search;
  if (platforms.length < 2) return null;
  const choice = (label: string, side: 'left' | 'right'): JSX.Element => (
    <NativeSelect
      label={label}
      value={search[side] ?? ''}
      data={[{ label: 'none', value: '' }, ...platforms]}
      onChange={(event) => onChange({ [side]: event.currentTarget.value || undefined })}
    />
  );
  return (
    <>
      <div className="row" style={{ alignItems: 'flex-end' }}>
        {choice('Compare platform', 'left')}
        {choice('with platform', 'right')}
      </div>
      {left === undefined || right === undefined ? null : (
        <Differences
          differences={compareTwoPlatforms(view, left, right)}
          before={left}
          after={right}
          none={`${left} and ${right} were to serve the same.`}
        />
      )}
    </>
  );
};

/** Two moments, or two platforms at one of them. */
export const Compare = (props: Props): JSX.Element => (
  <section className="panel stack" aria-label="Compare">
    <Moments {...props} />
    <Platforms {...props} />
  </section>
);
