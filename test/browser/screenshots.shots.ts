import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, it } from 'vitest';
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
let ids: Readonly<Record<'settled' | 'back' | 'held' | 'moving' | 'leaving', string>>;

/** One of everything that can be seen: settled, taken back, on its way back, held for a person, and moving. */
beforeAll(async () => {
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER, { recursive: true });
  [world, browser] = await Promise.all([startWorld(), launch()]);
  const settled = await world.start('sampler', 'quick', 'sampling in fp32, so that all operations agree');
  await world.ended(settled, 'settled');
  const held = await world.start('tpu.runtime', 'slow', 'faster token selection');
  await clientOf(world.controller.operator).command(held, 'pause', {
    reason: 'waiting for the numbers of the compiler team',
  });
  const back = await world.start('router.context', 'quick', 'get ready for the window of one million tokens');
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
      await page.goto(`${world.controller.operator.url}${path()}`);
      await page.locator(SETTLED).first().waitFor();
      await ready?.(page);
      await page.waitForTimeout(250);
      await page.screenshot({ path: file(name), fullPage: true });
    }
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
    await page.screenshot({ path: file('lost'), fullPage: true });
    await context.close();
  });
});
