import { Link } from '@tanstack/react-router';
import { memo, type CSSProperties, type JSX } from 'react';
import type { BoardView } from '#libs/contracts';
import { Shape, StateMark } from '../../parts/mark.js';
import { ShareBar } from '../../parts/share.js';
import { Empty } from '../../parts/states.js';
import { Age, Time } from '../../parts/time.js';
import { showShare } from '../../words/format.js';
import { healthLook } from '../../words/status.js';

type Config = BoardView['configs'][number];
type Cell = Config['cells'][number];
type Target = BoardView['targets'][number];

/** A target by itself, or several that are alike when there are many. */
const MOST_SINGLE = 6;

const WORST = ['harm', 'not-measured', 'undecided', 'shown-fine', 'steady'] as const;

const worst = (cells: readonly Cell[]): Cell['health'] =>
  WORST.find((health) => cells.some((cell) => cell.health === health)) ?? 'steady';

/** The rollout of the cell is being taken back from there, so nothing is tried any more. */
const isLeaving = ({ takenBack, rollout }: Cell): boolean => takenBack !== null && takenBack.rollout === rollout;

const isTried = (cell: Cell): boolean => cell.candidate !== null && cell.shareBp !== null && !isLeaving(cell);

/** `r2 10%` where a candidate is tried, else the revision that runs. */
const SharePart = ({ cell }: { readonly cell: Cell }): JSX.Element => {
  if (!isTried(cell) || cell.shareBp === null) return <span className="big">r{cell.control}</span>;
  return (
    <span className="big">
      <span className="dim">r{cell.control}→</span>r{cell.candidate} {showShare(cell.shareBp)}
    </span>
  );
};

/** That a candidate was taken back from there lately: else the revision that runs looks as if nothing had happened. */
const TakenBack = ({ cell: { takenBack } }: { readonly cell: Cell }): JSX.Element | null =>
  takenBack === null ? null : (
    <span className="under small mark bad">
      <Shape mark="back" />
      <span>
        r{takenBack.revision} {takenBack.isOver ? 'taken back' : 'going back'}{' '}
        {takenBack.isOver ? <Age at={takenBack.at} suffix=" ago" /> : <Age at={takenBack.at} prefix="for " />}
      </span>
    </span>
  );

/** How what is tried there stands, and for how long. */
const Trial = ({ cell }: { readonly cell: Cell }): JSX.Element => (
  <span className="under row small dim">
    <StateMark look={healthLook(cell.health)} isPill={false} />
    {cell.converged ? null : <span>on its way</span>}
    {cell.since === null ? null : <Age at={cell.since} prefix="for " />}
  </span>
);

const TargetCell = ({ cell, name }: { readonly cell: Cell; readonly name: string }): JSX.Element => {
  const isMoving = isTried(cell);
  const bp = cell.shareBp ?? 0;
  const tone = cell.health === 'harm' ? 'bad' : 'moving';
  const rollout = cell.rollout ?? cell.takenBack?.rollout;
  const inside = (
    <>
      <span className="wrap">{name}</span>
      <SharePart cell={cell} />
      {isMoving ? (
        <ShareBar askedBp={bp} thereBp={cell.converged ? bp : 0} tone={tone} />
      ) : (
        <span className="small dim">
          {cell.since === null || isLeaving(cell) ? '' : <Age at={cell.since} prefix="for " />}
        </span>
      )}
      {isMoving ? <Trial cell={cell} /> : <TakenBack cell={cell} />}
    </>
  );
  if (rollout === undefined) return <div className="cell">{inside}</div>;
  return (
    <Link to="/rollouts/$id" params={{ id: rollout }} className="cell" data-stop>
      {inside}
    </Link>
  );
};

/** Many targets of a platform in a line each for those that are alike. */
const groupsOf = (cells: readonly Cell[]): readonly (readonly Cell[])[] => {
  const groups = new Map<string, Cell[]>();
  for (const cell of cells) {
    const name = JSON.stringify([
      cell.control,
      cell.candidate,
      cell.shareBp,
      cell.rollout,
      cell.converged,
      cell.takenBack,
    ]);
    groups.set(name, [...(groups.get(name) ?? []), cell]);
  }
  return [...groups.values()];
};

const PlatformCell = ({ cells }: { readonly cells: readonly Cell[] }): JSX.Element => {
  if (cells.length === 0) return <span className="dim">no target</span>;
  const groups = cells.length <= MOST_SINGLE ? cells.map((cell) => [cell]) : groupsOf(cells);
  return (
    <div className="cells">
      {groups.map((group) => {
        const [first] = group;
        if (!first) return null;
        const name = group.length === 1 ? first.target : `${group.length} targets`;
        return <TargetCell key={first.target} cell={{ ...first, health: worst(group) }} name={name} />;
      })}
    </div>
  );
};

const Row = memo(
  ({
    config,
    platforms,
  }: {
    readonly config: Config;
    readonly platforms: readonly (readonly [string, readonly Target[]])[];
  }) => (
    <tr>
      <th scope="row">
        <Link to="/configs/$key" params={{ key: config.config }} className="plain wrap" data-stop>
          {config.config}
        </Link>
        <div className="small dim" style={{ fontWeight: 400 }}>
          newest r{config.newest}
        </div>
      </th>
      {platforms.map(([platform, targets]) => (
        <td key={platform} data-label={platform}>
          <PlatformCell cells={config.cells.filter(({ target }) => targets.some((each) => each.target === target))} />
        </td>
      ))}
    </tr>
  ),
  (a, b) => a.config === b.config && a.platforms.length === b.platforms.length,
);
Row.displayName = 'Row';

const headOf = (targets: readonly Target[]): string => {
  const known = targets.flatMap(({ instances }) => instances ?? []);
  const live = known.reduce((all, count) => all + count, 0);
  const behind = targets.reduce((all, target) => all + (target.behind ?? 0), 0);
  const unknown = targets.length - known.length;
  return [
    live === 0 ? 'no instance live' : `${live} instances`,
    ...(behind > 0 ? [`${behind} not up to date yet`] : []),
    ...(unknown > 0 ? [`${unknown} cannot be asked`] : []),
  ].join(', ');
};

/** Configs by platforms: what every target is to serve, how it stands, and for how long. */
export const Matrix = ({ board }: { readonly board: BoardView }): JSX.Element => {
  const names = [...new Set(board.targets.map(({ platform }) => platform))].toSorted();
  const platforms = names.map((name) => [name, board.targets.filter(({ platform }) => platform === name)] as const);
  if (board.configs.length === 0 || names.length === 0)
    return (
      <Empty title={board.configs.length === 0 ? 'No config yet' : 'No target yet'}>
        Tell Headgate what there is: <code>headgate apply -f docs/examples/first-steps</code>
      </Empty>
    );
  return (
    <section className="section" aria-label="What is served where">
      <h2>What is served where</h2>
      <div className="panel tight scroll" tabIndex={0} role="region" aria-label="Configs by platforms">
        <table className="grid matrix" style={{ '--platforms': names.length } as CSSProperties}>
          <thead>
            <tr>
              <th scope="col">config</th>
              {platforms.map(([name, targets]) => (
                <th key={name} scope="col">
                  {name} <span className="small dim">{headOf(targets)}</span>
                  {targets.map(({ target, undelivered }) =>
                    undelivered === null ? null : (
                      <div key={target} className="small bad wrap">
                        nothing can be delivered to {target} since <Time at={undelivered.since} />: {undelivered.error}
                      </div>
                    ),
                  )}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {board.configs.map((config) => (
              <Row key={config.config} config={config} platforms={platforms} />
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
};
