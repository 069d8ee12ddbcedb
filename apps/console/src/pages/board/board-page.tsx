import { Link, useSearch } from '@tanstack/react-router';
import { Button } from '@mantine/core';
import { useDeferredValue, useState, type JSX } from 'react';
import type { BoardRollout, BoardView } from '#libs/contracts';
import { useBoard } from '../../api/queries.js';
import { Shape } from '../../parts/mark.js';
import { Empty, Read } from '../../parts/states.js';
import { plural } from '../../words/format.js';
import { waitsForPerson, type Mark, type Tone } from '../../words/status.js';
import { Matrix } from './matrix.js';
import { RolloutCard } from './rollout-card.js';

type Counter = {
  readonly show: string;
  readonly words: string;
  readonly tone: Tone;
  readonly mark: Mark;
  readonly isLoud: boolean;
  readonly has: (rollout: BoardRollout) => boolean;
};

const COUNTERS: readonly Counter[] = [
  { show: 'person', words: 'wait for a person', tone: 'warn', mark: 'pause', isLoud: true, has: waitsForPerson },
  {
    show: 'back',
    words: 'rolling back',
    tone: 'bad',
    mark: 'back',
    isLoud: true,
    has: ({ status }) => status === 'rolling-back',
  },
  {
    show: 'stages',
    words: 'in stages',
    tone: 'moving',
    mark: 'play',
    isLoud: false,
    has: ({ status }) => status === 'staging',
  },
  {
    show: 'watched',
    words: 'watched',
    tone: 'moving',
    mark: 'eye',
    isLoud: false,
    has: ({ status }) => status === 'watching' || status === 'settling',
  },
  {
    show: 'settled',
    words: 'settled lately',
    tone: 'good',
    mark: 'check',
    isLoud: false,
    has: ({ status }) => status === 'settled',
  },
  {
    show: 'rolled-back',
    words: 'rolled back lately',
    tone: 'bad',
    mark: 'back',
    isLoud: false,
    has: ({ status }) => status === 'rolled-back',
  },
];

const Counters = ({
  all,
  show,
}: {
  readonly all: readonly BoardRollout[];
  readonly show: string | undefined;
}): JSX.Element => (
  <nav className="counters" aria-label="Rollouts by state">
    {COUNTERS.map((counter) => {
      const count = all.filter(counter.has).length;
      const isOn = show === counter.show;
      const classes = ['counter', 'plain', counter.tone, count === 0 ? 'zero' : counter.isLoud ? 'loud' : ''];
      return (
        <Link
          key={counter.show}
          to="/"
          search={{ show: isOn ? undefined : counter.show }}
          className={classes.join(' ')}
          aria-current={isOn ? 'true' : undefined}
          style={isOn ? { outline: '2px solid currentColor' } : {}}
          activeProps={{}}
        >
          <b>{count}</b>
          <span className="mark small">
            <Shape mark={counter.mark} />
            {counter.words}
          </span>
        </Link>
      );
    })}
  </nav>
);

/** More cards than anybody reads at a glance are shown when they are asked for. */
const MOST_CARDS = 24;

const Cards = ({
  title,
  rollouts,
}: {
  readonly title: string;
  readonly rollouts: readonly BoardRollout[];
}): JSX.Element | null => {
  const [isWhole, setWhole] = useState(false);
  if (rollouts.length === 0) return null;
  const shown = isWhole ? rollouts : rollouts.slice(0, MOST_CARDS);
  return (
    <section className="section" aria-label={title}>
      <h2>{title}</h2>
      <div className="cards">
        {shown.map((rollout) => (
          <RolloutCard key={rollout.id} rollout={rollout} />
        ))}
      </div>
      {shown.length < rollouts.length ? (
        <Button variant="default" onClick={() => setWhole(true)} style={{ alignSelf: 'flex-start' }}>
          {plural(rollouts.length - shown.length, 'rollout')} more: show all
        </Button>
      ) : null}
    </section>
  );
};

const Whole = ({ board: newest }: { readonly board: BoardView }): JSX.Element => {
  // A large board is drawn in slices of time, so that keys and clicks never wait for it.
  const board = useDeferredValue(newest);
  const { show } = useSearch({ from: '/' });
  const all = [...board.running, ...board.ended];
  const chosen = COUNTERS.find((counter) => counter.show === show);
  const forPerson = board.running.filter(waitsForPerson);
  const moving = board.running.filter((rollout) => !waitsForPerson(rollout));
  return (
    <div className="stack">
      <title>{forPerson.length > 0 ? `(${forPerson.length}) Board · Headgate` : 'Board · Headgate'}</title>
      <h1 className="skip">Board</h1>
      <Counters all={all} show={show} />
      {chosen ? (
        <>
          <Cards title={`Rollouts: ${chosen.words}`} rollouts={all.filter(chosen.has)} />
          {all.some(chosen.has) ? null : <Empty title={`None: ${chosen.words}`} />}
        </>
      ) : (
        <>
          <Cards title="Wait for a person" rollouts={forPerson} />
          <Cards title="Moving now" rollouts={moving} />
          <Matrix board={board} />
          <Cards title="Ended lately" rollouts={board.ended} />
        </>
      )}
    </div>
  );
};

/** What moves now, what waits for a person, and what is served where. */
export const BoardPage = (): JSX.Element => <Read of={useBoard()}>{(board) => <Whole board={board} />}</Read>;
