import { useQueryClient, type QueryClient } from '@tanstack/react-query';
import { createContext, use, useCallback, useEffect, useState, type JSX, type ReactNode } from 'react';
import type { EventView } from '#libs/contracts';
import type { EventPage } from './client.js';
import { Refresher } from './refresher.js';
import { useSession } from './session.js';
import { followEvents, type Connection } from './stream.js';
import { isOfRollout, touchedBy, touchedByProgress } from './touched.js';

type Listener = (event: EventView) => void;

export type Live = {
  readonly connection: Connection;
  /** Tells of each event that comes; returns a function that ends the listening. */
  readonly onEvent: (listener: Listener) => () => void;
};

const LiveContext = createContext<Live>({ connection: { state: 'connecting' }, onEvent: () => () => undefined });

export const useLive = (): Live => use(LiveContext);

const LONGEST_LOG = 300;

/** A log on the screen grows by what comes, without being read again. */
const growLogs = (client: QueryClient, event: EventView): void => {
  client.setQueriesData<EventPage>(
    { predicate: ({ queryKey: [kind, id] }) => kind === 'log' && typeof id === 'string' && isOfRollout(event, id) },
    (page) => {
      if (!page || (page.items[0]?.position ?? 0) >= event.position) return page;
      return { ...page, items: [event, ...page.items].slice(0, LONGEST_LOG) };
    },
  );
};

/** Keeps the one event stream of the console open while somebody is signed in. */
export const LiveProvider = ({ children }: { readonly children: ReactNode }): JSX.Element => {
  const { api } = useSession();
  const client = useQueryClient();
  const [connection, setConnection] = useState<Connection>({ state: 'connecting' });
  const [listeners] = useState(() => new Set<Listener>());

  useEffect(() => {
    const stop = new AbortController();
    const refresher = new Refresher(client);
    void followEvents(
      api,
      {
        onConnection: setConnection,
        onEvent: (event) => {
          growLogs(client, event);
          refresher.touch(touchedBy(event));
          for (const listener of listeners) listener(event);
        },
        onProgress: (rollouts) => refresher.touch(touchedByProgress(rollouts)),
        onDeliveries: () => refresher.touch([['hooks']]),
        onGap: () => void client.invalidateQueries({ predicate: ({ queryKey }) => queryKey[0] !== 'at' }),
      },
      stop.signal,
    );
    return () => {
      stop.abort();
      refresher.stop();
    };
  }, [api, client, listeners]);

  const onEvent = useCallback(
    (listener: Listener): (() => void) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    [listeners],
  );
  return <LiveContext value={{ connection, onEvent }}>{children}</LiveContext>;
};
