import type { JSX } from 'react';
import type { ValueChange } from '#libs/contracts';
import { showValue } from '../words/format.js';

/** Differences of two JSON values, field by field, with words beside the colours. */
export const DiffTable = ({
  changes,
  before = 'before',
  after = 'after',
}: {
  readonly changes: readonly ValueChange[];
  readonly before?: string;
  readonly after?: string;
}): JSX.Element =>
  changes.length === 0 ? (
    <p className="dim">No difference.</p>
  ) : (
    <div className="scroll">
      <table className="diff">
        <thead>
          <tr>
            <th scope="col">field</th>
            <th scope="col">{before}</th>
            <th scope="col">{after}</th>
          </tr>
        </thead>
        <tbody>
          {changes.map((change) => (
            <tr key={change.path}>
              <th scope="row">{change.path.slice(1).replaceAll('/', '.') || 'the whole value'}</th>
              <td>
                {change.before === undefined ? (
                  <span className="dim">not there</span>
                ) : (
                  <del>{showValue(change.before)}</del>
                )}
              </td>
              <td>
                {change.after === undefined ? (
                  <span className="dim">not there</span>
                ) : (
                  <ins>{showValue(change.after)}</ins>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );

export const Json = ({ value }: { readonly value: unknown }): JSX.Element => (
  // A region that scrolls has to be reachable by the keyboard.
  <pre className="json" tabIndex={0} role="region" aria-label="JSON">
    {JSON.stringify(value, null, 2)}
  </pre>
);
