import { describe, expect, it } from 'vitest';
import { SignalManifest, SourceManifest } from '#libs/contracts';
import { SourceClient, type Answer, type Ask, type AskedSource, type Reading } from './asked.js';
import { CountedInMemory } from './spec-kit.js';
import { SourcePoller } from './source-poller.js';
import { sourceKey } from './source-states.js';
import { sourceView } from './source-view.js';

const T = 1_800_000_000_000;

/** Answers as it is told, and remembers what it was asked. */
class ToldClient extends SourceClient {
  readonly asked: number[] = [];
  isClosed = false;

  constructor(
    private readonly reading: () => Reading,
    private readonly most: number,
  ) {
    super();
  }

  override ask(asks: readonly Ask[]): Promise<readonly Answer[]> {
    const answers = asks.flatMap(({ signal, windows }) =>
      windows.slice(0, this.most).map((window): Answer => ({ signal: signal.signal, window, reading: this.reading() })),
    );
    this.asked.push(...answers.map(({ window }) => (window.until - T) / 15_000));
    return Promise.resolve(answers);
  }

  override close(): void {
    this.isClosed = true;
  }
}

const source = (url = 'http://prometheus'): AskedSource => {
  const spec = SignalManifest.shape.spec.parse({
    type: 'rate',
    title: 'errors',
    source: { type: 'prometheus', from: 'metrics', requests: 'a', bad: 'b' },
  });
  return {
    source: 'metrics',
    connection: SourceManifest.shape.spec.parse({ type: 'prometheus', url }),
    signals: [{ signal: 'errors', type: 'rate', asked: spec.source as never }],
  };
};

const measured = (): Reading => ({
  kind: 'measured',
  refused: [],
  points: [
    {
      key: 'one',
      target: 'api-us',
      model: 'haiku',
      arm: undefined,
      bucket: undefined,
      requests: 10,
      bad: 1,
      values: undefined,
    },
  ],
});
const failed = (): Reading => ({ kind: 'failed', words: 'it did not answer' });

const world = (reading: () => Reading, most = Number.POSITIVE_INFINITY) => {
  const intake = new CountedInMemory();
  const clients: ToldClient[] = [];
  const clock = { at: T + 15_000 };
  const poller = () =>
    new SourcePoller({
      intake,
      clientFor: () => {
        const client = new ToldClient(() => reading(), most);
        clients.push(client);
        return client;
      },
      models: () => ['haiku'],
      now: () => clock.at,
    });
  const view = () => sourceView(source(), intake.stateOf(sourceKey('metrics')), clock.at);
  return { intake, clients, clock, poller, view };
};

describe('whoever asks a source', () => {
  it('asks for each window once, and comes back when the next one is due', async () => {
    const { intake, clients, clock, poller, view } = world(measured);
    const one = poller();
    expect(await one.turn(source(), 0)).toEqual({ nextAt: T + 30_000, error: null, refused: [] });
    expect(await one.turn(source(), 0)).toMatchObject({ nextAt: T + 30_000 });
    clock.at = T + 30_000;
    await one.turn(source(), 0);
    expect(clients.map(({ asked }) => asked)).toEqual([[0, 1]]);
    expect(intake.counted).toHaveLength(2);
    expect(view()).toMatchObject({ state: 'ok', behindMs: 0, countedUntil: new Date(T + 15_000).toISOString() });
  });

  it('rule 10: counts nothing twice where another controller asks at the same time, and goes on where one died', async () => {
    const { intake, clock, poller } = world(measured);
    const [one, two] = [poller(), poller()];
    for (clock.at of [T + 15_000, T + 30_000, T + 45_000])
      await Promise.all([one.turn(source(), 0), two.turn(source(), 0)]);
    clock.at = T + 150_000;
    await poller().turn(source(), 0);
    expect(intake.counted.map(({ until }) => (until - T) / 15_000)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('leaves one that fails alone for longer and longer, and says since when', async () => {
    const { intake, clock, poller, view } = world(failed);
    const one = poller();
    const rests: number[] = [];
    for (const failures of [0, 4, 5, 20]) {
      const turn = await one.turn(source(), failures);
      rests.push(turn.nextAt - clock.at);
      expect(turn.error).toBe('it did not answer');
      clock.at = turn.nextAt;
    }
    expect(rests).toEqual([15_000, 16_000, 32_000, 60_000]);
    expect(intake.counted).toEqual([]);
    expect(view()).toMatchObject({
      state: 'failing',
      countedUntil: null,
      error: 'it did not answer',
      failingSince: new Date(T + 15_000).toISOString(),
    });
  });

  it('catches up when it is back, and says what it skipped', async () => {
    let reading = measured;
    const { intake, clock, poller, view } = world(() => reading());
    const one = poller();
    await one.turn(source(), 0);
    reading = failed;
    clock.at = T + 3_600_000;
    await one.turn(source(), 0);
    clock.at = T + 7_215_000;
    reading = measured;
    await one.turn(source(), 3);
    expect(intake.counted).toHaveLength(1 + 240);
    expect(view()).toMatchObject({ state: 'ok', signals: [{ skippedMs: 3_600_000 }] });
  });

  it('counts large answers in several turns, one right after the other', async () => {
    const { intake, clock, poller } = world(measured, 4);
    const one = poller();
    await one.turn(source(), 0);
    clock.at = T + 150_000;
    expect(await one.turn(source(), 0)).toMatchObject({ nextAt: clock.at });
    expect(await one.turn(source(), 0)).toMatchObject({ nextAt: clock.at });
    expect(await one.turn(source(), 0)).toMatchObject({ nextAt: T + 165_000 });
    expect(intake.counted).toHaveLength(10);
  });

  it('makes a new client when the source is another, and lets the old one go', async () => {
    const { clients, clock, poller } = world(measured);
    const one = poller();
    await one.turn(source(), 0);
    clock.at = T + 30_000;
    await one.turn(source('http://elsewhere'), 0);
    expect(clients.map(({ isClosed }) => isClosed)).toEqual([true, false]);
  });

  it('shows a source that nobody names as unused, and one that was never asked as waiting', () => {
    expect(sourceView({ ...source(), signals: [] }, undefined, T)).toMatchObject({ state: 'unused' });
    expect(sourceView(source(), undefined, T)).toMatchObject({ state: 'waiting', error: null, askedAt: null });
  });
});
