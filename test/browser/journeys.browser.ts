import { statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TcpProxy } from '../chaos/tcp-proxy.js';
import { ask, clientOf } from '../kit/http.js';
import { chromiumPath, launch, signIn, visit, type Look, type Visit } from './chromium.js';
import { seriousFaults } from './axe.js';
import { startWorld, type World } from './world.js';

if (chromiumPath === undefined)
  process.stderr.write('The journeys in a browser are skipped: there is no Chromium. Name one with CHROMIUM_PATH.\n');

/** Longer than any of these rollouts take on a busy machine. */
const LONG = { timeout: 60_000 };

describe.skipIf(chromiumPath === undefined)('Somebody with the console', () => {
  let world: World;
  let browser: Browser;

  beforeAll(async () => {
    [world, browser] = await Promise.all([startWorld(), launch()]);
  });

  afterAll(async () => {
    await browser.close();
    await world.stop();
  });

  /** Signed in, with whatever the browser complained of found at the end. */
  const as = async (
    role: 'admin' | 'operator' | 'viewer',
    path: string,
    journey: (page: Page, visited: Visit) => Promise<void>,
    { url = world.controller[role].url, ...look }: Look & { readonly url?: string } = {},
  ): Promise<void> => {
    const visited = await visit(browser, look);
    try {
      await signIn(visited.page, { url, token: world.controller[role].token }, path);
      await journey(visited.page, visited);
      expect(visited.complaints).toEqual([]);
    } finally {
      await visited.context.close();
    }
  };

  const status = (page: Page, words: string) => page.getByLabel('The rollout').getByText(words, { exact: true });

  const giveReason = async (page: Page, button: string, reason: string): Promise<void> => {
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Why').fill(reason);
    await dialog.getByRole('button', { name: button }).click();
    await dialog.waitFor({ state: 'hidden' });
  };

  it('sees a rollout appear on the board, opens it and watches it to its end, without loading anything again', () =>
    as('operator', '/ui/', async (page) => {
      await page.locator('table.matrix').waitFor();
      await page.evaluate('window.sameDocument = true');
      const id = await world.start('sampler', 'quick', 'sampling in fp32');
      await page.getByRole('link', { name: /^sampler r2/ }).click();
      await page.waitForURL(`**/ui/rollouts/${id}`);
      await status(page, 'settled').waitFor(LONG);
      const tracks = page.getByLabel('Tracks');
      expect(await tracks.getByText('passed', { exact: true }).count()).toBeGreaterThanOrEqual(9);
      await page
        .getByRole('article', { name: 'syntax errors' })
        .getByText(/on the candidate against/)
        .first()
        .waitFor();
      expect(await page.evaluate('window.sameDocument')).toBe(true);
      expect(await page.getByRole('button', { name: 'Undo' }).isVisible()).toBe(true);
    }));

  it('watches a bad change being taken back by itself, and is told why and that it is gone', async () => {
    const id = await world.start('router.context', 'short-drain', 'get ready for one million tokens');
    await as('viewer', `/ui/rollouts/${id}`, async (page) => {
      const rollback = page.getByLabel('Rollback', { exact: true });
      await rollback.waitFor(LONG);
      await rollback
        .getByText(/requests served by the wrong pool/)
        .first()
        .waitFor();
      // Somebody's session stays on it for a while, and that unfolds by itself: who was asked first, and what is still seen.
      await page.evaluate('window.sameDocument = true');
      const first = rollback.getByRole('row', { name: /^1\. api-us-/ });
      await first.getByText(/read back after/).waitFor();
      const [target = ''] = /api-us-\w+/.exec(await first.innerText()) ?? [];
      await world.servedBy(target, 'router.context', 2);
      await first.getByText(/^[\d,]+ requests? of [\d,]+ units?$/).waitFor();
      await first.getByText(/^oldest \d{4}-\d\d-\d\d \d\d:\d\d:\d\d, newest /).waitFor();
      await status(page, 'rolled back').waitFor(LONG);
      await first.getByText(/^drained after/).waitFor();
      expect(await page.evaluate('window.sameDocument')).toBe(true);
      const { targets } = await world.rollout(id);
      for (const { target, wayBack } of targets.filter(({ purpose }) => purpose === 'rollback'))
        expect(await rollback.getByRole('row', { name: new RegExp(`${wayBack?.place}\\. ${target}`) }).count()).toBe(1);
      await page
        .getByLabel('Log')
        .getByText(/^degradation in/)
        .first()
        .waitFor();
      const tile = page.getByRole('article', { name: 'requests served by the wrong pool' });
      await tile.getByText('fail', { exact: true }).waitFor();
      await page
        .getByLabel('Who was exposed')
        .getByText(/units in [\d,]+ requests/)
        .waitFor();
      await page
        .getByLabel('Open beside it')
        .getByRole('link', { name: /^sampler r2/ })
        .waitFor();
    });
  });

  it('sees on the board where a candidate was taken back, though the revision that runs is the one from before', () =>
    as('viewer', '/ui/', async (page) => {
      const row = page.getByRole('row', { name: /^router\.context/ });
      await row
        .getByText(/^r2 taken back .* ago$/)
        .first()
        .waitFor();
      await row.getByRole('link', { name: /^api-us-tpu r1/ }).click();
      await page.waitForURL('**/ui/rollouts/*');
      await status(page, 'rolled back').waitFor();
    }));

  it('aborts a rollout: is told what will happen, has to say why, and finds the reason in the log', async () => {
    await world.lastWordOf('api-us-tpu', 'pod-9');
    const id = await world.start('tpu.runtime', 'slow', 'faster token selection');
    await as('operator', `/ui/rollouts/${id}`, async (page) => {
      await page.getByText('every instance has it').first().waitFor(LONG);
      await page
        .getByLabel('Tracks')
        .getByText(/^pod-9 \(last heard .* ago\) has stopped talking: the stage waits for it\.$/)
        .waitFor(LONG);
      await page.getByRole('button', { name: 'Abort' }).click();
      const dialog = page.getByRole('dialog');
      await dialog.getByText('Takes r2 back now on 2 targets: they go to r1.').waitFor();
      expect(await dialog.getByRole('button', { name: 'Abort' }).isDisabled()).toBe(true);
      await giveReason(page, 'Abort', 'the compiler team found a bug');
      const rollback = page.getByLabel('Rollback', { exact: true });
      await rollback.getByText('the compiler team found a bug').waitFor();
      await rollback.getByText(/^pod-9 .* has stopped talking: nothing proves that it does not serve r2/).waitFor(LONG);
      await page.getByLabel('Log').getByText('the compiler team found a bug').first().waitFor();
      expect(await page.getByRole('button', { name: 'Abort' }).count()).toBe(0);
    });
    expect((await world.rollout(id)).status).toMatch(/^rol/);
  });

  it('pauses and resumes by the keys, and the board says who is waited for', async () => {
    const id = await world.start('prompt.system', 'slow', 'a shorter system prompt');
    await as('operator', `/ui/rollouts/${id}`, async (page) => {
      await page.getByRole('button', { name: 'Pause' }).waitFor();
      await page.keyboard.press('p');
      await giveReason(page, 'Pause', 'waiting for the numbers');
      await status(page, 'paused').waitFor();
      await page.keyboard.press('b');
      await page.keyboard.press('?');
      await page.getByRole('dialog').getByRole('row', { name: /pause/ }).waitFor();
      await page.keyboard.press('Escape');
      await page.getByRole('dialog').waitFor({ state: 'hidden' });
      const waiting = page.getByLabel('Wait for a person');
      await waiting.getByText('waiting for the numbers').waitFor();
      expect(await page.title()).toMatch(/^\(1\) /);
      await page.keyboard.press('ArrowDown');
      await page.keyboard.press('Enter');
      await page.waitForURL(`**/ui/rollouts/${id}`);
      await page.keyboard.press('r');
      await giveReason(page, 'Resume', 'they have come');
      await status(page, 'in stages').waitFor();
    });
  });

  it('finds who changed what and why, and how the fleet was right after it', () =>
    as('viewer', '/ui/', async (page) => {
      await page.keyboard.press('/');
      await page.keyboard.type('one million tokens');
      await page.keyboard.press('Enter');
      await page.waitForURL(/\/ui\/history\?q=/);
      const line = page.locator('.log li', { hasText: 'router.context r2' }).filter({ hasText: 'alice' }).last();
      await line.getByRole('button', { name: /^Details/ }).click();
      await line.getByText('get ready for one million tokens').last().waitFor();
      await page.getByLabel('From').fill(new Date().toISOString().slice(0, 10));
      await line.waitFor();
      await line.getByText('verified in this browser').waitFor();
      await line.getByRole('link', { name: 'what set off what in it' }).click();
      await page.waitForURL(/as=tree/);
      const tree = page.getByLabel(/^What #\d+ set off$/).filter({ hasText: 'router.context' });
      await tree
        .getByText(/^degradation in/)
        .first()
        .waitFor();
      await page.goBack();
      await line.getByRole('button', { name: /^Details/ }).click();
      await page
        .getByRole('link', { name: /^the fleet right after it/ })
        .first()
        .click();
      await page.waitForURL(/\/ui\/time\?at=\d+/);
      await page.locator('table.matrix').first().waitFor();
    }));

  it('goes back in time and sees what differs', () =>
    as('viewer', '/ui/time', async (page) => {
      await page.locator('table.matrix').first().waitFor();
      const now = await page.locator('table.matrix').first().textContent();
      await page.getByRole('button', { name: 'Compare others with this moment' }).click();
      await page.getByRole('slider').focus();
      await page.keyboard.press('Home');
      await page.getByText('The beginning').waitFor();
      const [started] = (await clientOf(world.controller.viewer).events({ type: 'RolloutStarted' })).items;
      await page.goto(
        `${world.controller.viewer.url}/ui/time?at=${started?.position}&against=${(started?.position ?? 0) + 40}`,
      );
      const differences = page.getByLabel('Differences');
      await differences.getByText('sampler').first().waitFor();
      expect(await page.locator('table.matrix').first().textContent()).not.toBe(now);
    }));

  it('tells what was so from what was known then', async () => {
    const { items } = await clientOf(world.controller.viewer).events({ type: 'StageEntered' });
    await as('viewer', `/ui/time?at=${items[0]?.position}`, async (page) => {
      const arrival = page.getByLabel('Whether it had arrived');
      await arrival
        .getByText(/^acknowledged .*only later/)
        .first()
        .waitFor();
      const row = arrival.getByRole('row', { name: /^api-us-tpu/ });
      await row.getByRole('cell').last().getByText('nothing heard of it').first().waitFor();
      await page.getByText('as it was known then', { exact: true }).first().click();
      await page.getByText('Only what had been recorded by then counts').waitFor();
      expect(page.url()).toContain('known=then');
    });
  });

  it('starts an incident at a time: what was in flight, watched or had lately ended on a slice', async () => {
    const { items } = await clientOf(world.controller.viewer).events({ type: 'RollbackStarted' });
    const [bad] = items;
    await as('viewer', '/ui/history?type=RollbackStarted', async (page) => {
      await page.getByRole('button', { name: `Details of #${bad?.position}`, exact: true }).click();
      await page.getByRole('link', { name: /what was open$/ }).click();
      await page.waitForURL(/\/ui\/time\?at=\d+/);
      const open = page.getByLabel('Open changes', { exact: true });
      await open.getByRole('heading', { name: 'Open then' }).waitFor();
      await open.getByRole('row', { name: /^router\.context r2 rolling back/ }).waitFor();
      await open.getByRole('row', { name: /^sampler r2 settled at .* 100% on .*vertex-eu/ }).waitFor();
      await open.getByLabel('On target').selectOption('vertex-eu');
      await open.getByRole('row', { name: /^router\.context r2 .* nothing there/ }).waitFor();
      await open.getByRole('row', { name: /^sampler r2 .* 100% on vertex-eu/ }).waitFor();
      await open.getByLabel('Ended in').selectOption('0');
      await open.getByRole('row', { name: /^sampler r2/ }).waitFor({ state: 'hidden' });
      await open.getByLabel('Of config').selectOption('prompt.system');
      await open.getByText('No change of this slice was in flight').waitFor();
      expect(page.url()).toContain('target=vertex-eu');
      await open.getByLabel('Of config').selectOption('');
      await open.getByLabel('On target').selectOption('');
      await open.getByRole('link', { name: 'router.context r2' }).click();
      await page.waitForURL(/\/ui\/rollouts\//);
    });
  });

  it('compares platforms: who has what, since when and by whom', () =>
    as('viewer', '/ui/time', async (page) => {
      const row = page.getByRole('row', { name: /^prompt\.system/ });
      await row
        .getByText(/^since .* by /)
        .first()
        .waitFor();
      await page.getByLabel('Compare platform', { exact: true }).selectOption('api');
      await page.getByLabel('with platform').selectOption('vertex');
      const differences = page.getByLabel('Differences');
      await differences.getByRole('heading', { name: 'From api to vertex' }).waitFor();
      await differences.getByText('r2 for 10%, else r1 → r1').first().waitFor();
      await differences.getByText('api → vertex').first().waitFor();
      await differences
        .getByText(/^api: since .* by /)
        .first()
        .waitFor();
    }));

  it('proposes a change by the form, is told what does not fit, sees how long it would take, and starts it', () =>
    as('operator', '/ui/configs/cache.prefix', async (page) => {
      await page.getByRole('link', { name: 'Propose a change' }).click();
      await page.getByLabel('minTokens').fill('0');
      await page.getByText('It does not fit').waitFor();
      await page.getByLabel('minTokens').fill('512');
      await page.getByText('It fits the schema.').waitFor();
      await page.getByLabel('Why').fill('shorter prefixes are worth keeping');
      await page.getByRole('button', { name: 'Propose r2' }).click();
      await page.waitForURL(/\/ui\/configs\/cache\.prefix\/start/);
      await page.getByLabel('Plan').selectOption('slow');
      await page.getByText(/With the traffic of the last/).waitFor();
      expect(await page.getByRole('row', { name: /vertex/ }).count()).toBe(3);
      await page.getByLabel('Why').fill('tried on the bench');
      await page.getByRole('button', { name: 'Start the rollout of r2' }).click();
      await page.waitForURL(/\/ui\/rollouts\//);
      await status(page, 'in stages').waitFor();
      await page.getByText('tried on the bench').first().waitFor();
    }));

  it('sees as an admin where events go and what is wrong there, without loading anything again; others do not', async () => {
    let answer = 503;
    const receiver = createServer((request, response) => {
      request.resume();
      response.writeHead(answer).end();
    });
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/events`;
    await world.addHook(url);
    const { items } = await clientOf(world.controller.operator).rollouts({ status: 'staging' });
    const id = items.find(({ config }) => config === 'prompt.system')?.id ?? '';
    try {
      await as('admin', '/ui/', async (page) => {
        await page.getByRole('link', { name: 'Hooks', exact: true }).click();
        const row = page.getByRole('row', { name: new RegExp(`^${url}`) });
        await clientOf(world.controller.operator).command(id, 'pause', { reason: 'so that there is an event' });
        await row.getByText('fails, tried again').waitFor();
        await row.getByText(/^it answered 503 since \d{4}-/).waitFor();
        answer = 204;
        await row.getByText(/^#\d+, /).waitFor(LONG);
        await row.getByText('delivering', { exact: true }).waitFor();
        answer = 410;
        await clientOf(world.controller.operator).command(id, 'resume', { reason: 'so that there is another' });
        await row.getByText('disabled', { exact: true }).waitFor(LONG);
        await row.getByText(/^its receiver answered 410/).waitFor();
        await page.getByText('headgate hooks resume ID').waitFor();
        expect(await seriousFaults(page)).toEqual([]);
        await page.setViewportSize({ width: 390, height: 844 });
        expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(390);
      });
      await as('operator', '/ui/hooks', async (page) => {
        await page.getByText('You may not see hooks').waitFor();
        expect(await page.getByRole('link', { name: 'Hooks', exact: true }).count()).toBe(0);
        expect(await page.getByText(url).count()).toBe(0);
      });
    } finally {
      receiver.close();
    }
    expect((await ask(world.controller.operator, 'GET', '/v1/hooks')).status).toBe(403);
  });

  it('is refused as a viewer: nothing is offered, and the API would not do it either', async () => {
    const [running] = (await clientOf(world.controller.viewer).rollouts({ status: 'staging' })).items;
    await as('viewer', `/ui/rollouts/${running?.id}`, async (page) => {
      await page.getByText('You are signed in as a viewer').waitFor();
      await page.keyboard.press('a');
      expect(await page.getByRole('dialog').count()).toBe(0);
      for (const name of ['Abort', 'Pause', 'Promote'])
        expect(await page.getByRole('button', { name }).count()).toBe(0);
      await page.goto(`${world.controller.viewer.url}/ui/configs/sampler/propose`);
      await page.getByText('You may not propose changes').waitFor();
    });
    const body = { reason: 'because I can' };
    const answer = await ask(world.controller.viewer, 'POST', `/v1/rollouts/${running?.id}/abort`, { body });
    expect(answer.status).toBe(403);
  });

  it('is told that a token is of no use here, and that it was revoked while it was used', async () => {
    const { page, context } = await visit(browser);
    await page.goto(`${world.controller.admin.url}/ui/configs`);
    await page.getByLabel('Token', { exact: true }).fill('hg_viewer_nonsense');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('alert').getByText('This token is unknown, revoked or expired.').waitFor();
    await page.getByLabel('Token', { exact: true }).fill(world.controller.service.token ?? '');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('alert').getByText('is the token of a fleet').waitFor();
    const admin = clientOf(world.controller.admin);
    const created = await admin.createToken({ subject: 'temporary', role: 'viewer' });
    await page.getByLabel('Token', { exact: true }).fill(created.secret);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('heading', { name: 'Configs' }).waitFor();
    expect(page.url()).not.toContain('hg_');
    expect(await page.evaluate('JSON.stringify(localStorage) + document.cookie')).not.toContain('hg_');
    await ask(world.controller.admin, 'DELETE', `/v1/tokens/${created.id}`);
    // It is told by itself: the event of the revocation is the first that it may not hear any more.
    await page.getByText('This token counts no more').waitFor();
    await context.close();
  });

  it('loses the connection, is told so, and misses nothing of what happened meanwhile', async () => {
    const { hostname: host, port } = new URL(world.controller.operator.url);
    const proxy = await TcpProxy.open(() => ({ host, port: Number(port) }));
    const [running] = (await clientOf(world.controller.operator).rollouts({ status: 'staging' })).items;
    const id = running?.id ?? '';
    try {
      await as(
        'operator',
        `/ui/rollouts/${id}`,
        async (page) => {
          await page.locator('[data-connection="live"]').waitFor();
          await page.getByLabel('Log').getByRole('listitem').first().waitFor();
          await page.evaluate('window.sameDocument = true');
          proxy.vanish();
          await page.getByText(/Connection lost for/).waitFor();
          await clientOf(world.controller.operator).command(id, 'pause', { reason: 'while nobody could see it' });
          expect(await page.getByText('while nobody could see it').count()).toBe(0);
          proxy.comeBack();
          await page.locator('[data-connection="live"]').waitFor(LONG);
          await status(page, 'paused').waitFor();
          await page.getByLabel('Log').getByText('while nobody could see it').first().waitFor();
          await page.getByText(/Connection lost/).waitFor({ state: 'hidden' });
          const titles = await page.getByLabel('Log').locator('a[title^="#"]').all();
          const positions = await Promise.all(titles.map((link) => link.getAttribute('title')));
          expect(new Set(positions).size).toBe(positions.length);
          expect(await page.evaluate('window.sameDocument')).toBe(true);
        },
        { url: `http://127.0.0.1:${proxy.port}` },
      );
    } finally {
      await proxy.close();
    }
  });

  it('loads no more script for the board than can be had at once', () =>
    as('viewer', '/ui/', async (page) => {
      await page.locator('table.matrix').waitFor();
      const loaded = (await page.evaluate(
        "performance.getEntriesByType('resource').map(({ name }) => new URL(name).pathname)",
      )) as string[];
      const bytes = loaded
        .filter((path) => path.endsWith('.js'))
        .map((path) => statSync(join('dist/apps/console', `${path.replace(/^\/ui\//, '')}.gz`)).size);
      expect(bytes.length).toBeGreaterThan(0);
      expect(bytes.reduce((all, size) => all + size, 0)).toBeLessThanOrEqual(160_000);
    }));

  const everywhere = async (): Promise<readonly string[]> => {
    const { items } = await clientOf(world.controller.viewer).rollouts();
    return [
      '/ui/',
      ...items.slice(0, 4).map(({ id }) => `/ui/rollouts/${id}`),
      '/ui/history',
      ...items
        .filter((rollout) => rollout.status === 'rolled-back')
        .slice(0, 1)
        .map(({ id }) => `/ui/history?rollout=${id}&as=tree`),
      '/ui/configs',
      '/ui/configs/sampler',
      '/ui/configs/plan%2Fquick',
      '/ui/configs/sampler/propose',
      '/ui/configs/sampler/start?revision=1&plan=quick',
      '/ui/time?at=40&against=30&left=api&right=vertex',
      '/ui/hooks',
      '/ui/rollouts/nothing',
      '/ui/no-such-page',
    ];
  };

  it('finds every page fit for aids in both colours, and nothing to scroll sideways on a phone or at 200%', () =>
    as('operator', '/ui/', async (page) => {
      for (const path of await everywhere()) {
        await page.setViewportSize({ width: 1_440, height: 900 });
        await page.goto(`${world.controller.operator.url}${path}`);
        await page.locator('main h1, main h2').first().waitFor();
        await page.getByRole('status', { name: 'Loading' }).first().waitFor({ state: 'hidden' });
        for (const colorScheme of ['light', 'dark'] as const) {
          await page.emulateMedia({ colorScheme });
          await page.locator(`html[data-mantine-color-scheme="${colorScheme}"]`).waitFor();
          expect(await seriousFaults(page), `${path} in ${colorScheme} colours`).toEqual([]);
        }
        for (const width of [720, 390]) {
          await page.setViewportSize({ width, height: 844 });
          expect(
            await page.evaluate('document.documentElement.scrollWidth'),
            `${path} at ${width}`,
          ).toBeLessThanOrEqual(width);
        }
      }
    }));
});
