import type { JSX } from 'react';
import type { CauseTree } from '#libs/contracts';
import { EventLine, rolloutOf } from '../../parts/event-line.js';

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

const Branch = ({ tree, within }: { readonly tree: CauseTree; readonly within?: string | undefined }): JSX.Element => {
  const { chain, branches } = chainOf(tree);
  return (
    <>
      {chain.map(({ event }) => (
        <EventLine
          key={event.position}
          event={event}
          hasSubject={event === tree.event && rolloutOf(event) !== within}
        />
      ))}
      {branches.length === 0 ? null : (
        <li className="branches">
          <ol className="log tree">
            {branches.map((branch) => (
              <Branch key={branch.event.position} tree={branch} within={rolloutOf(tree.event)} />
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
    {roots.toReversed().map((root) => (
      <section key={root.event.position} className="panel" aria-label={`What #${root.event.position} set off`}>
        <ol className="log">
          <Branch tree={root} />
        </ol>
      </section>
    ))}
  </>
);
