import { describe, expect, it } from 'vitest';
import type { RolloutView } from '#libs/contracts';
import { paintFor, type Look } from '../look.js';
import { rollout } from '../testing/fixtures.js';
import { renderRollout } from './rollouts.js';

const look: Look = {
  paint: paintFor({ env: {}, isTty: false, refused: true }),
  width: 220,
  zone: 'UTC',
  now: Date.parse('2025-08-29T18:00:00.000Z'),
};
type Target = RolloutView['targets'][number];
type Way = NonNullable<Target['wayBack']>;

const asked: Way = {
  askedAt: '2025-08-29T12:00:00.000Z',
  place: 1,
  requestsPerSecond: null,
  readBackAt: null,
  endedAt: null,
  leftover: null,
  clearedAt: null,
};
const [example] = rollout().targets;
const target = (name: string, way: Partial<Way> | null, more: Partial<Target> = {}): Target => {
  if (!example) throw new Error('The example has no target.');
  const wayBack = way && { ...asked, ...way };
  return { ...example, target: name, purpose: way === null ? 'stage' : 'rollback', wayBack, ...more };
};
const shown = (...targets: readonly Target[]): readonly string[] => {
  const text = renderRollout(rollout({ status: 'rolling-back', targets: [...targets] }), look).split('\n');
  const from = text.indexOf('Way back');
  return from < 0 ? [] : text.slice(from + 1, text.indexOf('', from)).map((line) => line.replaceAll(/ {2,}/g, ' | '));
};

describe('the way back of a rollout', () => {
  it('is shown in the order in which targets were asked, with how long each step took and what is still seen', () => {
    const leftover = {
      requests: 1_204,
      units: 13,
      oldestAt: '2025-08-29T12:00:01.000Z',
      newestAt: '2025-08-29T12:00:14.000Z',
    };
    const drained = { readBackAt: '2025-08-29T12:00:01.100Z', endedAt: '2025-08-29T12:05:00.000Z', leftover };
    expect(
      shown(
        target('vertex-eu', { place: 3 }),
        target('api-us', { ...drained, requestsPerSecond: 120 }, { ended: 'drained', readBack: true }),
        target('bedrock-us', { place: 2, readBackAt: '2025-08-29T12:00:02.000Z', requestsPerSecond: 4.5 }),
      ),
    ).toEqual([
      'ORDER | TARGET | ON CANDIDATE | READ BACK | END | SEEN SINCE IT WAS ASKED BACK',
      '1 | api-us | 120/s | after 1.1 s | drained after 5 min | 1,204 requests, 13 units, oldest 2025-08-29 12:00:01, newest 2025-08-29 12:00:14',
      '2 | bedrock-us | 4.5/s | after 2 s | open | nothing',
      '3 | vertex-eu | - | not yet, for 6 h | open | nothing',
    ]);
  });

  it('numbers what went at another moment after what went before, each by its own place', () => {
    const later = { askedAt: '2025-08-29T13:00:00.000Z' };
    const lines = shown(
      target('vertex-eu', { ...later, place: 1 }),
      target('api-eu', { place: 2 }),
      target('api-us', {}),
    );
    expect(lines.slice(1).map((line) => line.split(' | ', 2).join(' '))).toEqual([
      '1 api-us',
      '2 api-eu',
      '3 vertex-eu',
    ]);
  });

  it('says since when clients are told to drop stickiness, and that no more than 512 units are counted', () => {
    const leftover = { requests: 9_000, units: 512, oldestAt: asked.askedAt, newestAt: asked.askedAt };
    const [, line] = shown(target('api-us', { leftover, clearedAt: '2025-08-29T12:10:00.000Z' }));
    expect(line).toContain('9,000 requests, at least 512 units');
    expect(line).toContain('told to drop stickiness at 2025-08-29 12:10:00');
  });

  it('names who has stopped talking, and may serve it still', () => {
    const [, line] = shown(target('api-us', {}, { silent: ['pod-3', 'pod-7'] }));
    expect(line).toContain('nothing; stopped talking: pod-3, pod-7');
  });

  it('is left out where nothing goes back', () => {
    expect(shown(target('api-us', null))).toEqual([]);
  });

  it('tells of a delivery that fails for how long it has', () => {
    const failing = target('api-us', {}, { error: 'no answer', failingSince: '2025-08-29T12:00:00.000Z' });
    expect(renderRollout(rollout({ targets: [failing] }), look)).toContain('no answer (failing for 6 h)');
  });
});
