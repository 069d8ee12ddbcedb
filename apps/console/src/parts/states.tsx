import { Alert, Button, Skeleton } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import type { UseQueryResult } from '@tanstack/react-query';
import type { JSX, ReactNode } from 'react';
import { RefusedError, UnreachableError, wordsOf } from '../api/problem.js';

const headOf = (error: unknown): string => {
  if (error instanceof UnreachableError) return 'The controller does not answer';
  if (!(error instanceof RefusedError)) return 'This page cannot be shown';
  if (error.problem.status === 403) return 'You may not see this';
  return error.problem.status === 404 ? 'There is nothing here' : error.problem.title;
};

export const Trouble = ({ error, again }: { readonly error: unknown; readonly again?: () => void }): JSX.Element => (
  <Alert title={<h2>{headOf(error)}</h2>} color="red" variant="outline" role="alert" className="panel">
    <p className="wrap">{wordsOf(error)}</p>
    {error instanceof RefusedError && error.problem.errors ? (
      <ul>
        {error.problem.errors.map(({ pointer, detail }) => (
          <li key={`${pointer} ${detail}`}>
            <code>{pointer}</code>: {detail}
          </li>
        ))}
      </ul>
    ) : null}
    {error instanceof RefusedError && error.problem.status === 404 ? (
      <p>
        <Link to="/">To the board</Link>
      </p>
    ) : null}
    {again ? (
      <Button onClick={again} variant="default" size="xs" mt="xs">
        Try again
      </Button>
    ) : null}
  </Alert>
);

export const Loading = ({ lines = 4 }: { readonly lines?: number }): JSX.Element => (
  <div className="stack" role="status" aria-label="Loading">
    {Array.from({ length: lines }, (_, index) => (
      <Skeleton key={index} height={index === 0 ? 34 : 72} radius="md" />
    ))}
  </div>
);

export const Empty = ({ title, children }: { readonly title: string; readonly children?: ReactNode }): JSX.Element => (
  <div className="panel empty">
    <h2>{title}</h2>
    {children ? <div className="dim">{children}</div> : null}
  </div>
);

/** What was read, or what kept it from being read. Something older is shown rather than nothing. */
export const Read = <T,>({
  of,
  lines,
  children,
}: {
  readonly of: UseQueryResult<T>;
  /** How large it is about, for what stands there meanwhile. */
  readonly lines?: number;
  readonly children: (data: T) => ReactNode;
}): ReactNode => {
  if (of.data !== undefined) return children(of.data);
  if (of.error) return <Trouble error={of.error} again={() => void of.refetch()} />;
  return lines === undefined ? <Loading /> : <Loading lines={lines} />;
};
