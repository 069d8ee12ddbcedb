import type { JSX } from 'react';
import type { CauseTree } from '#libs/contracts';
import { EventLine, rolloutOf } from '../../parts/event-line.js';
import { showDay } from '../../words/format.js';

/** An event with the chain below it: only where one event set off several is there a branch. */
const chainOf = (
  tree: CauseTree,
): { readonly chain: readonly CauseTree[]; readonly branches: readonly CauseTree[] } => {
  const chain = [tree];
  let last = tree;
  while (last.children.length === 1 && last.children[0] !== undefined) {
    last = last.children[0];
    chain.push(last);
  }
  return { chain, branches: last.children };
};

type BranchProps = { readonly tree: CauseTree; readonly day: string; readonly within?: string | undefined };

const Branch = ({ tree, day, within }: BranchProps): JSX.Element => {
  const { chain, branches } = chainOf(tree);
  return (
    <>
      {chain.map(({ event }) => (
        <EventLine
          key={event.position}
          event={event}
          day={day}
          hasSubject={event === tree.event && rolloutOf(event) !== within}
        />
      ))}
      {branches.length === 0 ? null : (
        <li className="branches">
          <ol className="log tree">
            {branches.map((branch) => (
              <Branch key={branch.event.position} tree={branch} day={day} within={rolloutOf(tree.event)} />
            ))}
          </ol>
        </li>
      )}
    </>
  );
};

/** What set off what, each chain oldest first; the chain that began last is on top. */
export const Tree = ({ roots }: { readonly roots: readonly CauseTree[] }): JSX.Element => (
  <>
    {roots.toReversed().map((root) => {
      const day = showDay(root.event.occurredAt);
      return (
        <section
          key={root.event.position}
          className="panel section"
          aria-label={`What #${root.event.position} set off`}
        >
          <h2>{day}</h2>
          <ol className="log">
            <Branch tree={root} day={day} />
          </ol>
        </section>
      );
    })}
  </>
);
