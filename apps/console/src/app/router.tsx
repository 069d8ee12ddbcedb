import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from '@tanstack/react-router';
import { BoardPage } from '../pages/board/board-page.js';
import { Trouble } from '../parts/states.js';
import { NotFound, Shell } from './shell.js';
import { historySearch, timeSearch, wholeOf, wordOf } from './search.js';

/** Pages but the board come when they are opened, so that the first one is there soon. */
const page = lazyRouteComponent;

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound });
const board = createRoute({
  getParentRoute: () => root,
  path: '/',
  component: BoardPage,
  validateSearch: (search: Record<string, unknown>): { show?: string | undefined } => ({
    show: wordOf(search['show']),
  }),
});
const rollout = createRoute({
  getParentRoute: () => root,
  path: '/rollouts/$id',
  component: page(() => import('../pages/rollout/rollout-page.js'), 'RolloutPage'),
});

const history = createRoute({
  getParentRoute: () => root,
  path: '/history',
  component: page(() => import('../pages/history/history-page.js'), 'HistoryPage'),
  validateSearch: historySearch,
});
const configs = createRoute({
  getParentRoute: () => root,
  path: '/configs',
  component: page(() => import('../pages/config/configs-page.js'), 'ConfigsPage'),
});
const config = createRoute({
  getParentRoute: () => root,
  path: '/configs/$key',
  component: page(() => import('../pages/config/config-page.js'), 'ConfigPage'),
  validateSearch: (
    search: Record<string, unknown>,
  ): { revision?: number | undefined; against?: number | undefined } => ({
    revision: wholeOf(search['revision']),
    against: wholeOf(search['against']),
  }),
});
const propose = createRoute({
  getParentRoute: () => root,
  path: '/configs/$key/propose',
  component: page(() => import('../pages/config/propose-page.js'), 'ProposePage'),
});
const start = createRoute({
  getParentRoute: () => root,
  path: '/configs/$key/start',
  component: page(() => import('../pages/config/start-page.js'), 'StartPage'),
  validateSearch: (search: Record<string, unknown>): { revision?: number | undefined; plan?: string | undefined } => ({
    revision: wholeOf(search['revision']),
    plan: wordOf(search['plan']),
  }),
});
const time = createRoute({
  getParentRoute: () => root,
  path: '/time',
  component: page(() => import('../pages/time/time-page.js'), 'TimePage'),
  validateSearch: timeSearch,
});
const hooks = createRoute({
  getParentRoute: () => root,
  path: '/hooks',
  component: page(() => import('../pages/hooks/hooks-page.js'), 'HooksPage'),
});

export const router = createRouter({
  routeTree: root.addChildren([board, rollout, history, configs, config, propose, start, time, hooks]),
  basepath: '/ui',
  defaultPreload: 'intent',
  scrollRestoration: true,
  // Such as a page whose script cannot be fetched, after an upgrade or while the controller is away.
  defaultErrorComponent: ({ error }) => <Trouble error={error} again={() => location.reload()} />,
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
