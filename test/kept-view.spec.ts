import fc from 'fast-check';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { LiveView, packView, unpackView } from '#libs/application';
import { eventCodec, type Recorded, type RolloutEvent } from '#libs/domain';
import type { JsonObject, RecordedEvent } from '#libs/kernel';
import { lives, play, recorded, ROLLOUT } from '#libs/testing';
import { linesOf } from './compatibility/database/golden.js';

const DATABASES = join(import.meta.dirname, 'compatibility/database');
const seed = Number(process.env['HEADGATE_SEED'] ?? 20_250_829);
/** Lives of rollouts that are played behind the log of a release. */
const LIVES = 6;
/** Places at which the view is kept. */
const PLACES = 60;

/** What was recorded elsewhere, behind what a log holds so far. */
class Log {
  readonly events: RecordedEvent[] = [];
  readonly #versions = new Map<string, number>();

  add(streamId: string, event: RecordedEvent): void {
    const version = (this.#versions.get(streamId) ?? 0) + 1;
    this.#versions.set(streamId, version);
    const position = this.events.length + 1;
    this.events.push({ ...event, streamId, streamVersion: version, position, eventId: `e-${position}` });
  }

  say(streamId: string, type: string, data: JsonObject): void {
    this.add(streamId, recorded({ type, data }));
  }
}

const asPlayed = (event: Recorded<RolloutEvent>, rollout: string, before: number): RecordedEvent => {
  const { type, data, at, position } = JSON.parse(JSON.stringify(event)) as Recorded<RolloutEvent>;
  // Generations are positions of the log that they were played in.
  const moved = 'generation' in data ? { ...data, generation: data.generation + before } : data;
  return recorded({ type, at, position, data: { ...(moved as JsonObject), rollout } });
};

/** What a release wrote, and behind it everything that no release has written yet. */
const logOf = (release: string): readonly RecordedEvent[] => {
  const log = new Log();
  for (const line of linesOf(join(DATABASES, release), 'event_store.events')) {
    const event = eventCodec.decode(JSON.parse((JSON.parse(line) as string[])[4] ?? '') as RecordedEvent);
    log.add(event.streamId, event);
  }
  const [first] = log.events.filter(({ type }) => type === 'RolloutPlanned');
  const config = first?.data['config'] as string;
  for (const target of ['api-us', 'api-eu', 'bedrock-us'])
    log.say(`target-${target}`, 'TargetRegistered', {
      target,
      platform: 'api',
      labels: {},
      models: ['haiku'],
      driver: 'pull',
      settings: { a: 1 },
    });
  for (const [n, life] of fc.sample(lives, { seed, numRuns: LIVES }).entries()) {
    const before = log.events.length;
    for (const event of play(life).flatMap(({ events }) => events))
      log.add(`rollout-${ROLLOUT}-${n}`, asPlayed(event, `${ROLLOUT}-${n}`, before));
  }
  const instances = { live: 3, candidate: ['a'], control: ['b', 'c'] };
  const shown = { config, target: 'api-us', candidate: 2, control: 1, purpose: 'stage' };
  for (const [shareBp, drawn] of [
    [5_000, { ...instances, seed: 's', chosen: 1 }],
    [0, null],
  ] as const)
    log.say(`rollout-${ROLLOUT}-0`, 'ExposureRequested', {
      ...shown,
      rollout: `${ROLLOUT}-0`,
      shareBp,
      instances: drawn,
    });
  log.say(`rollout-${ROLLOUT}-0`, 'StickinessDropped', {
    rollout: `${ROLLOUT}-0`,
    target: 'api-us',
    config,
    leftover: { requests: 1, units: 1, firstAt: 1, lastAt: 2 },
  });
  const hook = { url: 'https://example.com/', types: ['RolloutSettled'], configs: [], key: 'k' };
  for (const name of ['a', 'b', 'c']) log.say(`hook-${name}`, 'HookAdded', { ...hook, hook: name });
  log.say('hook-a', 'HookDisabled', { hook: 'a', reason: 'it wants no more' });
  log.say('hook-b', 'HookRemoved', { hook: 'b' });
  log.say('target-api-us', 'DriftFound', {
    target: 'api-us',
    generation: 3,
    holds: null,
    detail: 'it holds nothing',
    action: 'put-back',
  });
  log.say('target-api-eu', 'TargetRetired', { target: 'api-eu' });
  const [token] = log.events.filter(({ type }) => type === 'TokenIssued');
  log.say(token?.streamId ?? '', 'TokenRevoked', { token: token?.data['token'] as string });
  return log.events;
};

/** Everything that anyone can ask a view. */
const seenOf = (view: LiveView, events: readonly RecordedEvent[]): unknown => {
  const { fleet } = view;
  const streams = new Set(events.map(({ streamId }) => streamId));
  const asked = events.flatMap(({ type, data, position }) =>
    type === 'ExposureRequested' ? [{ ...(data as Record<'target' | 'config' | 'rollout', string>), position }] : [],
  );
  return {
    position: view.position,
    configs: [...fleet.configs],
    targets: [...fleet.targets],
    desired: [...fleet.targets.keys()].map((target) => [target, fleet.desired(target), view.generationEvent(target)]),
    exposures: asked.map(({ target, config, position, rollout }) => [
      fleet.exposureAt(target, config, position),
      fleet.nextRollout(target, config, rollout),
      [1, 2, 3].map((revision) => [
        fleet.withdrawn(target, config, revision),
        fleet.redeliveredBy(target, config, revision, rollout),
        fleet.onTrial(target, config, revision)?.shareBp,
      ]),
    ]),
    rollouts: [...view.rollouts],
    plans: [...view.rollouts.keys()].map((id) => fleet.rollout(id)),
    tokens: view.tokens.map((token) => [token, view.tokenById(token.id)]),
    hashes: events.map(({ data }) => view.tokenByHash(String(data['hash']))),
    hooks: [...view.hooks],
    revisions: events.map(({ data }) => view.revisionFacts(String(data['key']), Number(data['revision']))),
    versions: [...streams].map((stream) => view.streamVersion(stream)),
  };
};

const folded = (events: readonly RecordedEvent[], view = new LiveView()): LiveView => {
  for (const event of events) view.apply(event);
  return view;
};

const keptAndRestored = (view: LiveView, events: readonly RecordedEvent[]): Promise<LiveView> =>
  unpackView({
    ...packView(view),
    access: () => Promise.resolve(events.filter(({ streamId }) => streamId.startsWith('access-'))),
  });

const releases = readdirSync(DATABASES, { withFileTypes: true }).flatMap((entry) =>
  entry.isDirectory() ? [entry.name] : [],
);

describe.each(releases)('A view of the log of release %s that was kept', (release) => {
  const events = logOf(release);
  const all = seenOf(folded(events), events);

  it('is kept of a log in which targets, rollouts, hooks and tokens stand in every way', () => {
    const view = folded(events);
    expect(new Set([...view.rollouts.values()].map(({ rollout }) => rollout.status)).size).toBeGreaterThan(4);
    expect([...view.hooks.values()].map(({ disabled }) => disabled)).toEqual(['it wants no more', null]);
    expect(view.tokens.some(({ revokedAt }) => revokedAt !== null)).toBe(true);
    expect(view.fleet.targets.get('api-us')?.drift).not.toBeNull();
    expect(JSON.stringify(all)).toContain('"stickiness":"drop"');
    expect(JSON.stringify(all)).toContain('"kept":["a"]');
  });

  it('answers as one that folded all of the log, wherever it was kept, and with the rest of the log too', async () => {
    const step = Math.max(1, Math.floor(events.length / PLACES));
    for (let place = 0; place <= events.length; place += step) {
      const before = events.slice(0, place);
      const view = folded(before);
      const restored = await keptAndRestored(view, before);
      expect(seenOf(restored, events), `kept at ${place}`).toStrictEqual(seenOf(view, events));
      expect(seenOf(folded(events.slice(place), restored), events), `gone on from ${place}`).toStrictEqual(all);
    }
  });

  it('is the view of the moment when it was asked for, whatever is folded while it is packed', async () => {
    const cleared = events.findIndex(({ type }) => type === 'StickinessDropped');
    for (const place of [Math.floor(events.length / 2), cleared - 1, cleared]) {
      const before = events.slice(0, place);
      const view = folded(before);
      const then = seenOf(view, events);
      const { position, parts } = packView(view);
      folded(events.slice(place), view);
      const access = () => Promise.resolve(before.filter(({ streamId }) => streamId.startsWith('access-')));
      expect(seenOf(await unpackView({ position, parts, access }), events), `kept at ${place}`).toStrictEqual(then);
    }
  });

  it('holds nothing that lets anyone in', async () => {
    const hashes = events.flatMap(({ type, data }) => (type === 'TokenIssued' ? [String(data['hash'])] : []));
    const kept = JSON.stringify([...folded(events).held().entries]);
    expect(hashes.length).toBeGreaterThan(1);
    for (const hash of hashes) expect(kept).not.toContain(hash);
    const restored = await unpackView({ ...packView(folded(events)), access: () => Promise.resolve([]) });
    expect(restored.tokens).toEqual([]);
  });
});
