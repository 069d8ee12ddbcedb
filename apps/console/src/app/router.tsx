import { createRootRoute, createRoute, createRouter } from '@tanstack/react-router';
import { BoardPage } from '../pages/board/board-page.js';
import { ConfigPage } from '../pages/config/config-page.js';
import { ConfigsPage } from '../pages/config/configs-page.js';
import { ProposePage } from '../pages/config/propose-page.js';
import { StartPage } from '../pages/config/start-page.js';
import { HistoryPage } from '../pages/history/history-page.js';
import { RolloutPage } from '../pages/rollout/rollout-page.js';
import { TimePage } from '../pages/time/time-page.js';
import { NotFound, Shell } from './shell.js';
import { historySearch, wholeOf, wordOf } from './search.js';

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound });
const board = createRoute({
  getParentRoute: () => root,
  path: '/',
  component: BoardPage,
  validateSearch: (search: Record<string, unknown>): { show?: string | undefined } => ({
    show: wordOf(search['show']),
  }),
});
const rollout = createRoute({ getParentRoute: () => root, path: '/rollouts/$id', component: RolloutPage });

const history = createRoute({
  getParentRoute: () => root,
  path: '/history',
  component: HistoryPage,
  validateSearch: historySearch,
});
const configs = createRoute({ getParentRoute: () => root, path: '/configs', component: ConfigsPage });
const config = createRoute({
  getParentRoute: () => root,
  path: '/configs/$key',
  component: ConfigPage,
  validateSearch: (
    search: Record<string, unknown>,
  ): { revision?: number | undefined; against?: number | undefined } => ({
    revision: wholeOf(search['revision']),
    against: wholeOf(search['against']),
  }),
});
const propose = createRoute({ getParentRoute: () => root, path: '/configs/$key/propose', component: ProposePage });
const start = createRoute({
  getParentRoute: () => root,
  path: '/configs/$key/start',
  component: StartPage,
  validateSearch: (search: Record<string, unknown>): { revision?: number | undefined; plan?: string | undefined } => ({
    revision: wholeOf(search['revision']),
    plan: wordOf(search['plan']),
  }),
});
const time = createRoute({
  getParentRoute: () => root,
  path: '/time',
  component: TimePage,
  validateSearch: (search: Record<string, unknown>): { at?: number | undefined; against?: number | undefined } => ({
    at: wholeOf(search['at']),
    against: wholeOf(search['against']),
  }),
});

export const router = createRouter({
  routeTree: root.addChildren([board, rollout, history, configs, config, propose, start, time]),
  basepath: '/ui',
  defaultPreload: false,
  scrollRestoration: true,
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
