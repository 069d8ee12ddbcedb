import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { chainedDigest } from '#libs/application';
import {
  asHeadgateEvent,
  backtest,
  recomputeVerdicts,
  rolloutStream,
  type LoggedEvent,
  type RolloutEvent,
  type TimedKeptLook,
} from '#libs/domain';
import { Compactor } from '#libs/signals';
import { namedBy } from '../../apps/controller/src/composition/compacting.js';
import { CONFIG, Controller, revisionOf, runUntil, World } from './world.js';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

const plan = revisionOf('plan/quick', 1, {
  holdback: '20%',
  watch: '20s',
  drain: '5s',
  signals: [{ signal: 'script-errors' }, { signal: 'wrong-pool' }],
  tracks: [
    {
      name: 'api',
      targets: { platform: 'api' },
      stages: ['10%', '50%', '100%'].map((exposure) => ({ exposure, bake: '10s' })),
    },
  ],
});

/** A rollout that was played to its end: its stream, its looks as they were folded, and the same compacted. */
const played = async (candidateRate: number, end: 'settled' | 'rolled-back') => {
  const world = new World();
  world.fleets.rates = (revision) => ({ 'script-errors': revision === 2 ? candidateRate : 0.01 });
  await world.furnish(plan);
  const controller = new Controller(world, 'one');
  const outcome = await controller.start({ config: CONFIG, plan: 'quick', revision: 2 });
  const rollout = outcome.accepted ? String(outcome.outcome['rollout']) : '';
  await controller.caughtUp();
  await runUntil(world, [controller], () => controller.view.rollouts.get(rollout)?.rollout.status === end);

  const recorded = (await world.store.readStream(rolloutStream(rollout))).map(asHeadgateEvent);
  const events = recorded.map((event): LoggedEvent => ({
    position: event.position,
    at: event.at,
    event: event as RolloutEvent,
  }));
  const stored = await world.evidence.readLooks(rollout, 0);
  const looks = stored.map(({ look, at, cells, digest }): TimedKeptLook => ({
    look,
    at,
    digest,
    cells: JSON.stringify(cells),
  }));
  const compactor = new Compactor(await namedBy(world.store, rollout), chainedDigest);
  for (const each of stored) compactor.tell({ ...each, rollout });
  const compacted = compactor.end(rollout).map(({ look, at, cells, chain }): TimedKeptLook => {
    const text = JSON.stringify(cells);
    return { look, at, cells: text, digest: sha256(text), compacted: { at: '2026-01-01T00:00:00Z', chain } };
  });
  return { events, looks, compacted };
};

const judging = { alpha: 0.001, signals: [{ signal: 'script-errors', harm: 1, weight: 1, shadow: false }] } as const;

describe.each([
  ['settled', 0.01],
  ['rolled-back', 0.03],
] as const)('The looks of a rollout that %s, compacted', (end, rate) => {
  it('rule 12: bear out every verdict that was recorded, as far as they tell, as the looks themselves do in full', async () => {
    const { events, looks, compacted } = await played(rate, end);
    expect(compacted.length).toBeLessThan(looks.length);
    const whole = recomputeVerdicts(events, looks, sha256);
    const again = recomputeVerdicts(events, compacted, sha256);
    expect(whole.flatMap(({ differs }) => differs)).toEqual([]);
    expect(again.flatMap(({ differs }) => differs)).toEqual([]);
    const computed = again.filter(({ skipped, verdict }) => skipped === null && verdict.counts.controlBad > 0);
    expect(computed.length).toBeGreaterThan(0);
    for (const { compacted: how } of computed)
      expect(how?.compared).toEqual(['digest', 'bound', 'ratio', 'interval', 'bad outcomes']);
    expect(whole.every(({ compacted: how }) => how === null)).toBe(true);
  });

  it('rule 12: do not bear them out any more once one of them is altered, with its digest', async () => {
    const { events, compacted } = await played(rate, end);
    const [first, ...others] = compacted;
    if (first === undefined) throw new Error('There is no look.');
    const cells = first.cells.replace('"controlBad":', '"controlBad":1');
    const altered = [{ ...first, cells, digest: sha256(cells) }, ...others];
    expect(
      recomputeVerdicts(events, altered, sha256)
        .flatMap(({ differs }) => differs)
        .join(),
    ).toContain('bad outcomes');
  });

  it('give the same answer to what a plan would have stopped, no sooner', async () => {
    const { events, looks, compacted } = await played(rate, end);
    const [before, after] = [backtest(events, looks, judging), backtest(events, compacted, judging)];
    expect(before.isCompacted).toBe(false);
    expect(after).toMatchObject({ isCompacted: true, stopped: before.stopped });
    expect(after.wouldStop === null).toBe(before.wouldStop === null);
    expect(after.wouldStop?.at ?? 0).toBeGreaterThanOrEqual(before.wouldStop?.at ?? 0);
  });
});
