import { Link } from '@tanstack/react-router';
import type { JSX } from 'react';
import type { ConfigView } from '#libs/contracts';
import { useConfigs } from '../../api/queries.js';
import { Empty, Read } from '../../parts/states.js';
import { Age } from '../../parts/time.js';

const SERVED = new Set(['quality', 'weights', 'switch']);

const liveWords = ({ live }: ConfigView): string => {
  const counts = new Map<number, number>();
  for (const revision of Object.values(live)) counts.set(revision, (counts.get(revision) ?? 0) + 1);
  const words = [...counts].toSorted(([a], [b]) => b - a).map(([revision, count]) => `r${revision} on ${count}`);
  return words.length === 0 ? 'nowhere' : words.join(', ');
};

const List = ({
  title,
  configs,
}: {
  readonly title: string;
  readonly configs: readonly ConfigView[];
}): JSX.Element | null => {
  const isServed = configs.some(({ kind }) => SERVED.has(kind));
  if (configs.length === 0) return null;
  return (
    <section className="section" aria-label={title}>
      <h2>{title}</h2>
      <div className="panel tight scroll" tabIndex={0} role="region" aria-label={title}>
        <table className="grid flows">
          <thead>
            <tr>
              <th scope="col">name</th>
              <th scope="col">newest</th>
              {isServed ? <th scope="col">live, by targets</th> : null}
              <th scope="col">changed</th>
              <th scope="col">by</th>
              <th scope="col">why</th>
            </tr>
          </thead>
          <tbody>
            {configs.map((config) => {
              const newest = config.revisions.at(-1);
              return (
                <tr key={config.key}>
                  <th scope="row" className="wrap">
                    <Link to="/configs/$key" params={{ key: config.key }} data-stop>
                      {config.key.replace(/^(?:plan|signal)\//, '')}
                    </Link>
                    {config.description === null ? null : (
                      <div className="small dim" style={{ fontWeight: 400 }}>
                        {config.description}
                      </div>
                    )}
                  </th>
                  <td data-label="newest">{newest ? `r${newest.revision}` : 'none'}</td>
                  {isServed ? <td data-label="live, by targets">{liveWords(config)}</td> : null}
                  <td data-label="changed">
                    {newest && newest.at !== '' ? <Age at={newest.at} suffix=" ago" /> : '–'}
                  </td>
                  <td data-label="by">{newest?.author ?? '–'}</td>
                  <td data-label="why" className="wrap">
                    {newest?.reason ?? '–'}
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </section>
  );
};

export const ConfigsPage = (): JSX.Element => (
  <Read of={useConfigs()}>
    {(configs) => (
      <div className="stack">
        <title>Configs · Headgate</title>
        <h1>Configs</h1>
        {configs.length === 0 ? (
          <Empty title="No config yet">
            Apply the first: <code>headgate apply -f docs/examples/first-steps</code>
          </Empty>
        ) : null}
        <List title="What is served" configs={configs.filter(({ kind }) => SERVED.has(kind))} />
        <List title="Plans" configs={configs.filter(({ kind }) => kind === 'plan')} />
        <List title="Signals" configs={configs.filter(({ kind }) => kind === 'signal')} />
      </div>
    )}
  </Read>
);
