import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page, Route } from 'playwright-core';
import { afterAll, beforeAll, describe, it } from 'vitest';
import type { RolloutView } from '#libs/contracts';
import { clientOf } from '../kit/http.js';
import { until } from '../kit/until.js';
import { launch, signIn, visit } from './chromium.js';
import { startWorld, type World } from './world.js';

const FOLDER = join(process.cwd(), 'screenshots');
const LOOKS = [
  { scheme: 'light', width: 1_440, height: 900 },
  { scheme: 'dark', width: 1_440, height: 900 },
  { scheme: 'light', width: 390, height: 844 },
  { scheme: 'dark', width: 390, height: 844 },
] as const;

let world: World;
let browser: Browser;
let receiver: Server;
let ids: Readonly<Record<'settled' | 'back' | 'held' | 'moving' | 'leaving', string>>;

/** One of everything that can be seen: settled, taken back, on its way back, held for a person, and moving. */
beforeAll(async () => {
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER, { recursive: true });
  [world, browser] = await Promise.all([startWorld(), launch()]);
  const settled = await world.start('sampler', 'quick', 'sampling in fp32, so that all operations agree');
  await world.ended(settled, 'settled');
  receiver = createServer((request, response) => {
    request.resume();
    response.writeHead(Number(request.url?.slice(1))).end();
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  for (const answer of [204, 503, 410])
    await world.addHook(`http://127.0.0.1:${(receiver.address() as AddressInfo).port}/${answer}`);
  const held = await world.start('tpu.runtime', 'slow', 'faster token selection');
  await clientOf(world.controller.operator).command(held, 'pause', {
    reason: 'waiting for the numbers of the compiler team',
  });
  const back = await world.start('router.context', 'quick', 'get ready for the window of one million tokens');
  await world.lastWordOf('api-us-tpu', 'api-us-tpu-09');
  const leaving = await world.start('cache.prefix', 'long-drain', 'longer prefixes, shared between users');
  const moving = await world.start('prompt.system', 'slow', 'a shorter system prompt');
  await world.ended(back, 'rolled-back');
  await until(
    'every target is read back',
    async () => {
      const { status, targets } = await world.rollout(leaving);
      return status === 'rolling-back' && targets.every(({ purpose, readBack }) => purpose === null || readBack);
    },
    { timeoutMs: 60_000, everyMs: 200 },
  );
  ids = { settled, back, held, moving, leaving };
});

afterAll(async () => {
  await browser.close();
  await world.stop();
  receiver.close();
});

const SETTLED = 'h1, h2';

const PAGES: readonly (readonly [name: string, path: () => string, ready?: (page: Page) => Promise<unknown>])[] = [
  ['board', () => '/ui/'],
  ['board-rolled-back', () => '/ui/?show=rolled-back'],
  ['rollout-moving', () => `/ui/rollouts/${ids.moving}`, (page) => page.locator('.tile').first().waitFor()],
  ['rollout-held', () => `/ui/rollouts/${ids.held}`, (page) => page.locator('.tile').first().waitFor()],
  ['rollout-rolling-back', () => `/ui/rollouts/${ids.leaving}`, (page) => page.locator('.tile').first().waitFor()],
  ['rollout-rolled-back', () => `/ui/rollouts/${ids.back}`, (page) => page.locator('.tile').first().waitFor()],
  ['rollout-settled', () => `/ui/rollouts/${ids.settled}`, (page) => page.locator('.tile').first().waitFor()],
  [
    'rollout-retried',
    () => `/ui/rollouts/${ids.leaving}`,
    (page) => page.getByText('tried again for').first().waitFor(),
  ],
  [
    'rollout-abort',
    () => `/ui/rollouts/${ids.moving}`,
    async (page) => {
      await page.getByRole('button', { name: 'Abort' }).click();
      await page.getByRole('dialog').waitFor();
    },
  ],
  ['history', () => '/ui/history', (page) => page.locator('.log li').first().waitFor()],
  [
    'history-details',
    () => '/ui/history?type=RollbackStarted',
    (page) =>
      page
        .getByRole('button', { name: /Details/ })
        .first()
        .click()
        .then(() => page.getByText('verified in this browser').waitFor()),
  ],
  [
    'history-tree',
    () => `/ui/history?rollout=${ids.back}&as=tree`,
    (page) => page.locator('.log.tree').first().waitFor(),
  ],
  ['history-nothing', () => '/ui/history?q=never+happened'],
  ['configs', () => '/ui/configs'],
  ['config', () => '/ui/configs/router.context'],
  [
    'propose',
    () => '/ui/configs/sampler/propose',
    async (page) => {
      await page.getByLabel('topP').fill('7');
      await page.getByText('It does not fit').waitFor();
    },
  ],
  [
    'start',
    () => '/ui/configs/sampler/start?revision=1&plan=slow',
    (page) => page.getByText('With the traffic').waitFor(),
  ],
  ['time', () => '/ui/time', (page) => page.locator('table.matrix').first().waitFor()],
  ['time-compared', () => '/ui/time?at=60&against=22', (page) => page.getByLabel('Differences').waitFor()],
  [
    'time-platforms',
    () => '/ui/time?left=api&right=vertex&known=then',
    (page) => page.getByLabel('Differences').waitFor(),
  ],
  ['not-found', () => '/ui/rollouts/01990000-0000-7000-8000-000000000000', (page) => page.getByRole('alert').waitFor()],
];

/** A target whose platform does not answer: none of this world can be taken away. */
const unreachable = async (route: Route): Promise<void> => {
  const response = await route.fetch();
  const rollout = (await response.json()) as RolloutView;
  const targets = rollout.targets.map((target, index) =>
    index > 0 || target.wayBack === null
      ? target
      : {
          ...target,
          readBack: false,
          delivered: false,
          converged: false,
          error: 'POST https://appconfig.us-east-1.example.com: connect ETIMEDOUT',
          failingSince: target.wayBack.askedAt,
          wayBack: { ...target.wayBack, readBackAt: null },
        },
  );
  await route.fulfill({ response, json: { ...rollout, targets } });
};

/** Everything is laid out, also what nobody sees yet, and the page stands at its top. */
const settle = async (page: Page): Promise<void> => {
  await page.evaluate(`{
    for (const place of document.querySelectorAll('.card, table.matrix tr')) place.style.contentVisibility = 'visible';
    window.scrollTo(0, 0);
  }`);
  await page.waitForTimeout(250);
};

describe.each(LOOKS)('In $scheme colours and $width pixels', ({ scheme, width, height }) => {
  const file = (name: string): string => join(FOLDER, `${name}-${scheme}-${width}.png`);

  it('the sign-in', async () => {
    const { page, context } = await visit(browser, { scheme, width, height });
    await page.goto(`${world.controller.admin.url}/ui/`);
    await page.getByLabel('Token', { exact: true }).waitFor();
    await page.screenshot({ path: file('sign-in'), fullPage: true });
    await context.close();
  });

  it('every page', async () => {
    const { page, context } = await visit(browser, { scheme, width, height });
    await signIn(page, world.controller.operator);
    for (const [name, path, ready] of PAGES) {
      if (name === 'rollout-retried') await page.route(`**/v1/rollouts/${ids.leaving}`, unreachable);
      await page.goto(`${world.controller.operator.url}${path()}`);
      await page.locator(SETTLED).first().waitFor();
      await ready?.(page);
      await settle(page);
      await page.screenshot({ path: file(name), fullPage: true });
      await page.unrouteAll({ behavior: 'ignoreErrors' });
    }
    await context.close();
  });

  it('what an admin sees', async () => {
    const { page, context } = await visit(browser, { scheme, width, height });
    await signIn(page, world.controller.admin, '/ui/hooks');
    await page.getByText('disabled', { exact: true }).waitFor();
    await page.locator('details').first().click();
    await settle(page);
    await page.screenshot({ path: file('hooks'), fullPage: true });
    await context.close();
  });

  it('what a viewer sees', async () => {
    const { page, context } = await visit(browser, { scheme, width, height });
    await signIn(page, world.controller.viewer, '/ui/configs/sampler/propose');
    await page.getByText('You may not propose changes').waitFor();
    await page.screenshot({ path: file('forbidden'), fullPage: true });
    await page.goto(`${world.controller.viewer.url}/ui/`);
    await page.locator('table.matrix').waitFor();
    await context.setOffline(true);
    await page.evaluate('window.stop()');
    await page.getByText('Connection lost').waitFor();
    await settle(page);
    await page.screenshot({ path: file('lost'), fullPage: true });
    await context.close();
  });
});
