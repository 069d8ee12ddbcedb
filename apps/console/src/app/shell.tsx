import { ActionIcon, Button, useComputedColorScheme, useMantineColorScheme } from '@mantine/core';
import { Link, Outlet, useNavigate, useRouterState } from '@tanstack/react-router';
import { lazy, Suspense, useEffect, useMemo, useRef, useState, type JSX } from 'react';
import { useLive } from '../api/live.js';
import { useSession } from '../api/session.js';
import { Logo } from '../parts/logo.js';
import { Shape } from '../parts/mark.js';
import { Empty } from '../parts/states.js';
import { useNow } from '../parts/time.js';
import { showDuration, showZone } from '../words/format.js';
import { moveFocus, useKeys } from './keys.js';
import { Search } from './search-box.js';

const ROLES: Readonly<Record<string, string>> = {
  viewer: 'reads, changes nothing',
  investigator: 'reads, exact counts of few units as well, of which each reading is recorded',
  operator: 'changes configs, steers rollouts',
  admin: 'does all, issues tokens',
};

const LostLine = ({ why, since, retryAt }: { why: string; since: number; retryAt: number }): JSX.Element => {
  const now = useNow();
  return (
    <div className="lost" role="status">
      <Shape mark="ring" />
      <span>
        Connection lost for {showDuration(Math.max(1_000, now - since))}: what you see is as of then.{' '}
        <span className="small">
          {why} Rollouts go on without this page. Next try in {showDuration(Math.max(0, retryAt - now))}.
        </span>
      </span>
    </div>
  );
};

const LostBar = (): JSX.Element | null => {
  const { connection } = useLive();
  const [isLong, setLong] = useState(false);
  const isLost = connection.state === 'lost';
  useEffect(() => {
    if (!isLost) return setLong(false);
    // A break that mends at once is nobody's concern.
    const timer = setTimeout(() => setLong(true), 1_200);
    return () => clearTimeout(timer);
  }, [isLost]);
  return connection.state === 'lost' && isLong ? <LostLine {...connection} /> : null;
};

const LIVE_WORDS = { connecting: 'connecting', live: 'live', lost: 'lost' } as const;

const LiveMark = (): JSX.Element => {
  const { state } = useLive().connection;
  const tone = state === 'live' ? 'good' : state === 'lost' ? 'warn' : 'calm';
  return (
    <span className={`mark small ${tone}`} data-connection={state}>
      <Shape mark={state === 'live' ? 'half' : 'ring'} />
      {LIVE_WORDS[state]}
    </span>
  );
};

const SchemeButton = (): JSX.Element => {
  const { setColorScheme } = useMantineColorScheme();
  const scheme = useComputedColorScheme();
  const other = scheme === 'dark' ? 'light' : 'dark';
  return (
    <ActionIcon variant="default" size="md" aria-label={`Use ${other} colours`} onClick={() => setColorScheme(other)}>
      <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
        <circle cx="8" cy="8" r="6" fill="none" stroke="currentColor" strokeWidth="2" />
        <path d="M8 2a6 6 0 010 12z" fill="currentColor" />
      </svg>
    </ActionIcon>
  );
};

const WHO = 'who-menu';

const WhoMenu = (): JSX.Element => {
  const { who, signOut } = useSession();
  return (
    <>
      <button type="button" className="mark small who" popoverTarget={WHO}>
        <span className="cut">{who.subject}</span> <span className="dim hide-narrow">({who.role})</span>
      </button>
      <div id={WHO} popover="auto" className="panel who-menu">
        <p className="dim small">
          {who.subject}, {who.role}: {ROLES[who.role]}
        </p>
        <Button variant="default" fullWidth onClick={() => signOut()}>
          Sign out
        </Button>
      </div>
    </>
  );
};

/** Comes when it is asked for: what opens over a page is no small part of the script. */
const Help = lazy(async () => ({ default: (await import('./help.js')).Help }));

const PAGES = [
  ['/', 'Board'],
  ['/history', 'History'],
  ['/configs', 'Configs'],
  ['/time', 'Time travel'],
] as const;

/** What only an admin may see. */
const ADMIN_PAGES = [['/hooks', 'Hooks']] as const;

const Nav = (): JSX.Element => {
  const { who } = useSession();
  const path = useRouterState({ select: ({ location }) => location.pathname });
  return (
    <nav className="nav" aria-label="Pages">
      {[...PAGES, ...(who.role === 'admin' ? ADMIN_PAGES : [])].map(([to, words]) => {
        const isHere = to === '/' ? path === '/' || path.startsWith('/rollouts') : path.startsWith(to);
        return (
          <Link key={to} to={to} aria-current={isHere ? 'page' : undefined} activeProps={{}}>
            {words}
          </Link>
        );
      })}
    </nav>
  );
};

/** The frame around every page: where one is, who one is, whether what one sees is live. */
export const Shell = (): JSX.Element => {
  const [isHelpOpen, setHelpOpen] = useState(false);
  const search = useRef<HTMLInputElement>(null);
  const navigate = useNavigate();
  const keys = useMemo(
    () => ({
      '?': () => setHelpOpen(true),
      '/': () => search.current?.focus(),
      b: () => void navigate({ to: '/' }),
      h: () => void navigate({ to: '/history' }),
      c: () => void navigate({ to: '/configs' }),
      t: () => void navigate({ to: '/time' }),
      ArrowDown: () => moveFocus(1),
      ArrowUp: () => moveFocus(-1),
      j: () => moveFocus(1),
      k: () => moveFocus(-1),
    }),
    [navigate],
  );
  useKeys(keys);
  return (
    <>
      <a className="skip" href="#main">
        To the content
      </a>
      <header className="bar">
        <Link to="/" className="brand" aria-label="Headgate, to the board">
          <Logo />
          <span className="hide-narrow">Headgate</span>
        </Link>
        <Nav />
        <span className="grow hide-narrow" />
        <Search input={search} />
        <LiveMark />
        <span className="row" style={{ gap: 6 }}>
          <WhoMenu />
          <SchemeButton />
          <ActionIcon variant="default" size="md" aria-label="Keys" onClick={() => setHelpOpen(true)}>
            ?
          </ActionIcon>
        </span>
      </header>
      <LostBar />
      <main className="main" id="main" tabIndex={-1}>
        <Outlet />
      </main>
      <footer className="foot small dim">Times are in {showZone()}; point at one to see it in UTC.</footer>
      {isHelpOpen ? (
        <Suspense>
          <Help onClose={() => setHelpOpen(false)} />
        </Suspense>
      ) : null}
    </>
  );
};

export const NotFound = (): JSX.Element => (
  <Empty title="There is no such page">
    The address may be cut off. <Link to="/">To the board</Link>
  </Empty>
);
