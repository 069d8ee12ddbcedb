import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startController, type ControllerProcess } from '../../apps/simulator/src/demo/controller-process.js';
import { chromiumPath, launch, signIn, visit } from '../browser/chromium.js';
import { clientOf } from '../kit/http.js';
import { TinyFleet } from '../kit/tiny-fleet.js';
import { until } from '../kit/until.js';
import { discard, temporaryFolder } from './data-folder.js';
import type { Bench, BenchContext, Figures } from './harness.js';
import { round } from './harness.js';

const EVENTS_PER_SECOND = 200;
/** Commands under way at most: so many that the rate is kept, however long each takes. */
const SENDERS = 32;

const PLATFORMS = ['api', 'bedrock', 'vertex'];
const TARGETS = PLATFORMS.map((platform) => `${platform}-1`);

const manifest = (kind: string, name: string, spec: object) => ({
  apiVersion: 'headgate.dev/v1',
  kind,
  metadata: { name },
  spec,
});

/** Plans that take longer than the measurement, so that everything moves and nothing ends. */
const setting = (configs: readonly string[]) => [
  ...PLATFORMS.map((platform) => manifest('Target', `${platform}-1`, { platform, models: ['haiku'] })),
  manifest('Signal', 'wrong-pool', { type: 'invariant', title: 'requests served by the wrong pool' }),
  manifest('Plan', 'slow', {
    watch: '1h',
    drain: '1h',
    grace: '10h',
    signals: [{ signal: 'wrong-pool' }],
    tracks: PLATFORMS.map((platform) => ({
      name: platform,
      targets: { platform },
      stages: [
        { exposure: '10%', bake: '1h' },
        { exposure: '100%', bake: '1h' },
      ],
    })),
  }),
  ...configs.map((name) => manifest('Config', name, { value: { on: false } })),
];

const ASSETS = join(process.cwd(), 'dist/apps/console/assets');

const compressedKb = (names: readonly string[]): number =>
  round(names.reduce((all, name) => all + statSync(join(ASSETS, `${name}.gz`)).size, 0) / 1_000, 4);

const allScripts = (): readonly string[] => readdirSync(ASSETS).filter((name) => name.endsWith('.js'));

const LOADED = `performance.getEntriesByType('resource').map(({ name }) => name.split('/').at(-1))`;

/** Steers rollouts at the rate until it is told to stop; each steering is an event. Gives how many there were. */
const makeEvents = (door: { url: string; token: string }, ids: readonly string[]) => {
  const client = clientOf(door);
  const begun = performance.now();
  let sent = 0;
  let stopped = false;
  const send = async (): Promise<void> => {
    while (!stopped) {
      const due = begun + (sent / EVENTS_PER_SECOND) * 1_000;
      const mine = sent;
      sent += 1;
      await sleep(Math.max(0, due - performance.now()));
      await client.command(ids[mine % ids.length] ?? '', 'pause', { reason: `number ${mine}` });
    }
  };
  const running = Promise.all(Array.from({ length: SENDERS }, send));
  return {
    stop: async (): Promise<number> => {
      stopped = true;
      await running;
      return sent / ((performance.now() - begun) / 1_000);
    },
  };
};

const OBSERVE = `
  window.longTasks = 0;
  new PerformanceObserver((list) => { for (const entry of list.getEntries()) window.longTasks += entry.duration; })
    .observe({ entryTypes: ['longtask'] });`;

const measure = async (controller: ControllerProcess, context: BenchContext): Promise<Figures> => {
  const rollouts = context.quick ? 100 : 300;
  const spanMs = context.quick ? 10_000 : 30_000;
  const door = { url: controller.url, token: controller.adminToken };
  const client = clientOf(door);
  const configs = Array.from({ length: rollouts }, (_, n) => `config-${String(n).padStart(3, '0')}`);
  const all = setting(configs);
  for (let from = 0; from < all.length; from += 100)
    await client.apply({ manifests: all.slice(from, from + 100) as never, reason: 'a benchmark' });
  // No rollout starts where nothing is served; a little traffic is enough, as nothing of it is measured.
  const { secret } = await client.createToken({ subject: 'fleet', role: 'service' });
  const fleet = new TinyFleet({ url: controller.url, token: secret }, TARGETS).start(1_000);
  await until('traffic is counted', () => TARGETS.every((target) => (fleet.counted.get(target) ?? 0) > 0));
  const next = configs.map((name) => manifest('Config', name, { value: { on: true } }));
  for (let from = 0; from < next.length; from += 100)
    await client.apply({ manifests: next.slice(from, from + 100) as never, reason: 'a benchmark' });
  const ids: string[] = [];
  for (const config of configs) ids.push((await client.start({ config, plan: 'slow', reason: 'a benchmark' })).id);
  context.say(`  ${rollouts} rollouts are moving; the board is open for ${spanMs / 1_000} s`);
  const browser = await launch();
  try {
    const { page } = await visit(browser);
    await signIn(page, door);
    await page.locator('table.matrix').waitFor();
    const paintMs = Number(await page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime"));
    const loaded = ((await page.evaluate(LOADED)) as string[]).filter((name) => name.endsWith('.js'));
    const events = makeEvents(door, ids);
    await until('what happens is shown', async () =>
      (await page.getByText(/number \d+/).count()) > 0 ? true : undefined,
    );
    await page.evaluate(OBSERVE);
    await sleep(spanMs);
    const longMs = Number(await page.evaluate('window.longTasks'));
    return {
      longTasks: round(longMs / spanMs),
      kB: compressedKb(allScripts()),
      /** Of which the board loads this much. */
      boardKb: compressedKb(loaded),
      rollouts,
      eventsPerSecond: round(await events.stop(), 4),
      paintMs: Math.round(paintMs),
    };
  } finally {
    await browser.close();
    await fleet.stop();
  }
};

/** The `console` row: whether a busy board stays usable, and how much script it takes to show it. */
export const consoleBench: Bench = {
  measures: 'share of time that the open board spends in long tasks while everything moves, and the size of its script',
  quick: '100 rollouts for 10 s',
  musts: [
    { key: 'longTasks', atMost: 0.05 },
    { key: 'kB', atMost: 250 },
    // Otherwise the board had less to show than it is asked for.
    { key: 'eventsPerSecond', atLeast: 0.9 * EVENTS_PER_SECOND },
  ],
  run: async (context) => {
    if (chromiumPath === undefined) throw new Error('There is no Chromium to measure in: name one with CHROMIUM_PATH.');
    const folder = temporaryFolder('console');
    const controller = await startController(join(process.cwd(), 'dist/apps/controller/src/main.js'), folder);
    try {
      return await measure(controller, context);
    } finally {
      await controller.stop();
      discard(folder, folder);
    }
  },
};
