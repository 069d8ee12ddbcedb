import { describe, expect, it } from 'vitest';
import { aPlan, numbered, ROLLOUT, SOME_TARGETS } from '#libs/testing';
import type { HeadgateEvent } from '../events/index.js';
import { Fleet } from './index.js';

const KEY = 'router.context';
const target = (name: string): HeadgateEvent => {
  const { platform = 'api', labels = {}, models = [] } = SOME_TARGETS.find((known) => known.target === name) ?? {};
  return {
    type: 'TargetRegistered',
    data: { target: name, platform, labels: { ...labels }, models: [...models], driver: 'pull', settings: {} },
  };
};
const config = (key = KEY, kind: 'quality' | 'signal' = 'quality'): HeadgateEvent => ({
  type: 'ConfigRegistered',
  data: { key, kind, assignment: kind === 'quality' ? 'unit' : null, description: null, schema: null },
});
const revision = (number: number, key = KEY): HeadgateEvent => ({
  type: 'RevisionProposed',
  data: { key, revision: number, digest: `d${number}`, value: { n: number }, links: [], baseline: number === 1 },
});
const claimed = (rollout: string, candidate: number): HeadgateEvent => ({
  type: 'TargetsClaimed',
  data: { key: KEY, rollout, revision: candidate, targets: ['api-us'] },
});
const exposed = (shareBp: number, candidate = 2, rollout = ROLLOUT, control = 1): HeadgateEvent => ({
  type: 'ExposureRequested',
  data: {
    rollout,
    target: 'api-us',
    config: KEY,
    candidate,
    control,
    shareBp,
    purpose: shareBp === 0 ? 'rollback' : shareBp === 10_000 ? 'settle' : 'stage',
    instances: null,
  },
});
const released = (
  outcome: 'settled' | 'rolled-back' | 'superseded',
  candidate = 2,
  rollout = ROLLOUT,
  live: Readonly<Record<string, number>> = {},
): HeadgateEvent => ({
  type: 'TargetsReleased',
  data: { key: KEY, rollout, revision: candidate, targets: ['api-us'], outcome, live: { ...live } },
});

/** Registered at positions 1 to 6; what comes after starts at 7. */
const setting = [target('api-us'), target('api-eu'), config(), revision(1), revision(2), revision(3)];
const fleetAfter = (...events: readonly HeadgateEvent[]): Fleet => {
  const fleet = new Fleet();
  for (const event of numbered<HeadgateEvent>(setting, events)) fleet.apply(event);
  return fleet;
};
const served = (fleet: Fleet, name = 'api-us'): string[] =>
  fleet
    .desired(name)
    .map(({ config: key, control, candidate, shareBp }) => `${key} r${control}/r${candidate} ${shareBp}`);

describe('the generation of a target', () => {
  it('rule 6: is the position of the last event that changed its ruleset', () => {
    const fleet = fleetAfter(exposed(100));
    expect(fleet.targets.get('api-us')?.generation).toBe(7);
    expect(fleet.targets.get('api-eu')?.generation).toBe(4);
  });

  it('rule 6: moves on every target with a baseline, and on none with a revision that is live nowhere', () => {
    const changes = (event: HeadgateEvent): readonly string[] =>
      fleetAfter().apply({ ...event, position: 7, at: 0 } as Parameters<Fleet['apply']>[0]);
    expect(changes(revision(4))).toEqual([]);
    expect(changes(exposed(100))).toEqual(['api-us']);
    expect(changes({ type: 'ConfigRetired', data: { key: KEY } })).toEqual(['api-us', 'api-eu']);
    expect(changes({ type: 'SchemaChanged', data: { key: KEY, schema: {}, description: null } })).toEqual([]);
    const fleet = fleetAfter(config('tone', 'quality'), revision(1, 'tone'));
    expect(fleet.targets.get('api-eu')?.generation).toBe(8);
  });

  it('does not move with a signal, which no fleet evaluates', () => {
    const fleet = fleetAfter(config('signal/errors', 'signal'), revision(1, 'signal/errors'));
    expect(fleet.targets.get('api-us')?.generation).toBe(4);
    expect(served(fleet)).toEqual([`${KEY} r1/rnull 0`]);
  });

  it('rule 6: the same event twice, or an older one, changes nothing', () => {
    const fleet = fleetAfter(claimed(ROLLOUT, 2), exposed(100));
    expect(fleet.apply({ ...exposed(5_000), position: 8, at: 0 } as Parameters<Fleet['apply']>[0])).toEqual([]);
    expect(served(fleet)).toEqual([`${KEY} r1/r2 100`]);
  });
});

describe('what is desired of a target', () => {
  it('is the baseline of every config before any rollout', () => {
    expect(served(fleetAfter())).toEqual([`${KEY} r1/rnull 0`]);
  });

  it('is nothing for a target that is unknown, and nothing of a config that is retired', () => {
    expect(served(fleetAfter(), 'mars')).toEqual([]);
    expect(served(fleetAfter({ type: 'ConfigRetired', data: { key: KEY } }))).toEqual([]);
  });

  it('is the newest share that was asked for, on that target only', () => {
    const fleet = fleetAfter(claimed(ROLLOUT, 2), exposed(100), exposed(1_000));
    expect(served(fleet)).toEqual([`${KEY} r1/r2 1000`]);
    expect(served(fleet, 'api-eu')).toEqual([`${KEY} r1/rnull 0`]);
  });

  it('is the new revision for everyone once it settled', () => {
    const settled = fleetAfter(claimed(ROLLOUT, 2), exposed(100), exposed(10_000), released('settled'));
    expect(settled.desired('api-us')[0]).toMatchObject({ control: 2, shareBp: 0 });
  });

  it('is the control for everyone after a rollback', () => {
    const back = [claimed(ROLLOUT, 2), exposed(100), exposed(0)];
    expect(fleetAfter(...back).desired('api-us')[0]).toMatchObject({ control: 1, shareBp: 0 });
    expect(fleetAfter(...back, released('rolled-back')).desired('api-us')[0]).toMatchObject({ control: 1, shareBp: 0 });
  });

  it('is the watched revision again when the rollout that took over from it is rolled back', () => {
    const taken = [
      claimed(ROLLOUT, 2),
      exposed(9_900),
      released('superseded', 2, ROLLOUT, { 'api-us': 2 }),
      claimed('ro-2', 3),
      exposed(100, 3, 'ro-2', 2),
    ];
    expect(served(fleetAfter(...taken))).toEqual([`${KEY} r2/r3 100`]);
    const back = [...taken, exposed(0, 3, 'ro-2', 2)];
    expect(served(fleetAfter(...back))).toEqual([`${KEY} r2/r3 0`]);
    expect(served(fleetAfter(...back, released('rolled-back', 3, 'ro-2', { 'api-us': 2 })))).toEqual([
      `${KEY} r2/rnull 0`,
    ]);
  });

  it('starts with the baseline on a target that is registered later', () => {
    const fleet = fleetAfter(claimed(ROLLOUT, 2), exposed(10_000), released('settled'), target('bedrock-us'));
    expect(served(fleet, 'bedrock-us')).toEqual([`${KEY} r1/rnull 0`]);
  });
});

describe('what a target was exposed to under a generation', () => {
  const fleet = fleetAfter(exposed(100), exposed(1_000), revision(4), exposed(0));

  it('is found by the generation, never by the clock', () => {
    expect([7, 8, 9, 10, 99].map((generation) => fleet.exposureAt('api-us', KEY, generation)?.shareBp)).toEqual([
      100, 1_000, 1_000, 0, 0,
    ]);
  });

  it('names the instances of its draw, and those of them that an earlier exposure of the rollout had chosen', () => {
    const drawn = (shareBp: number, candidate: readonly string[], rollout = ROLLOUT): HeadgateEvent => {
      const asked = exposed(shareBp, 2, rollout);
      if (asked.type !== 'ExposureRequested') throw new Error('This is no exposure.');
      return { ...asked, data: { ...asked.data, instances: { candidate: [...candidate], control: ['z'] } } };
    };
    const byInstance = fleetAfter(drawn(1_000, ['b']), drawn(5_000, ['a', 'b']), drawn(1_000, ['c'], 'another'));
    expect([7, 8, 9].map((generation) => byInstance.exposureAt('api-us', KEY, generation))).toMatchObject([
      { instances: { candidate: ['b'] }, kept: [] },
      { instances: { candidate: ['a', 'b'] }, kept: ['b'] },
      { instances: { candidate: ['c'] }, kept: [] },
    ]);
  });

  it('is nothing before the first rollout there', () => {
    expect(fleet.exposureAt('api-us', KEY, 6)).toBeUndefined();
    expect(fleet.exposureAt('api-eu', KEY, 99)).toBeUndefined();
  });
});

describe('a revision that is delivered again', () => {
  const again = (...events: readonly HeadgateEvent[]): string | undefined =>
    fleetAfter(...events).redeliveredBy('api-us', KEY, 2, ROLLOUT);

  it('is that of the newest rollout that asked for it, and not of the one that took it back', () => {
    expect(again(exposed(100))).toBeUndefined();
    expect(again(exposed(100), exposed(0))).toBeUndefined();
    expect(again(exposed(100), exposed(0), exposed(100, 3, 'ro-2'))).toBeUndefined();
    expect(again(exposed(100), exposed(0), exposed(100, 2, 'ro-2'))).toBe('ro-2');
    expect(again(exposed(100), exposed(0), exposed(100, 2, 'ro-2'), exposed(0, 2, 'ro-2'))).toBeUndefined();
  });
});

describe('a withdrawn revision', () => {
  const withdrawn = (...events: readonly HeadgateEvent[]): string | undefined =>
    fleetAfter(...events).withdrawn('api-us', KEY, 2);

  it('belongs to the rollout that took it back', () => {
    expect(withdrawn(exposed(100), exposed(0))).toBe(ROLLOUT);
  });

  it('is not one while it is exposed, when it settled, or when it never ran there', () => {
    expect(withdrawn(exposed(100))).toBeUndefined();
    expect(withdrawn(exposed(100), exposed(10_000))).toBeUndefined();
    expect(withdrawn()).toBeUndefined();
  });

  it('rule 5: stays one while another revision is already on its way there, so that the open drain is seen', () => {
    expect(withdrawn(exposed(100), exposed(0), exposed(100, 3, 'ro-2'))).toBe(ROLLOUT);
  });

  it('is none any more when it is tried again', () => {
    expect(withdrawn(exposed(100), exposed(0), exposed(100, 2, 'ro-2'))).toBeUndefined();
    expect(withdrawn(exposed(100), exposed(0), exposed(100, 2, 'ro-2'), exposed(0, 2, 'ro-2'))).toBe('ro-2');
  });
});

describe('a revision on trial', () => {
  const shareOf = (...events: readonly HeadgateEvent[]): number | undefined =>
    fleetAfter(claimed(ROLLOUT, 2), exposed(100), ...events).onTrial('api-us', KEY, 2)?.shareBp;
  const back = [exposed(0), released('rolled-back')];

  it('is one that a rollout shows, in its stages and in its watch', () => {
    expect(shareOf()).toBe(100);
    expect(shareOf(exposed(9_900))).toBe(9_900);
  });

  it('is one that was taken back, until it is shown again and settles', () => {
    expect(shareOf(exposed(0))).toBe(0);
    expect(shareOf(...back)).toBe(0);
    const again = [claimed('ro-2', 2), exposed(10_000, 2, 'ro-2'), released('settled', 2, 'ro-2')];
    expect(shareOf(...back, ...again)).toBeUndefined();
  });

  it('is none that settled or was superseded, also once another one has settled after it', () => {
    const settled = [exposed(10_000), released('settled')];
    const next = [claimed('ro-2', 3), exposed(10_000, 3, 'ro-2', 2), released('settled', 3, 'ro-2')];
    expect(shareOf(...settled)).toBeUndefined();
    expect(shareOf(...settled, ...next)).toBeUndefined();
    expect(shareOf(exposed(9_900), released('superseded', 2, ROLLOUT, { 'api-us': 2 }))).toBeUndefined();
  });

  it('is none that never ran on that target', () => {
    const fleet = fleetAfter(claimed(ROLLOUT, 2), exposed(100));
    expect([
      fleet.onTrial('api-eu', KEY, 2),
      fleet.onTrial('api-us', KEY, 3),
      fleet.onTrial('api-us', 'unknown', 2),
    ]).toEqual([undefined, undefined, undefined]);
  });

  it('is judged by the signals of its plan that are not only looked at', () => {
    const data = { rollout: ROLLOUT, config: KEY, revision: 2, assignment: 'unit' as const, plan: aPlan() };
    const planned = { controls: { 'api-us': 1 }, vetoReason: null, bypass: null, reverts: null };
    const trial = fleetAfter(
      { type: 'RolloutPlanned', data: { ...data, ...planned } },
      claimed(ROLLOUT, 2),
      exposed(100),
    ).onTrial('api-us', KEY, 2);
    expect(['wrong-pool', 'refusals', 'latency'].map((signal) => trial?.isJudgedBy(signal))).toEqual([
      true,
      false,
      false,
    ]);
  });
});

describe('the generation of a target', () => {
  const labelled = (settings: Readonly<Record<string, string>>, pool = 'a'): HeadgateEvent => ({
    type: 'TargetLabelled',
    data: { target: 'api-us', labels: { pool }, models: ['haiku'], settings },
  });
  const drift = (action: 'hold' | 'put-back'): HeadgateEvent => ({
    type: 'DriftFound',
    data: { target: 'api-us', generation: 1, held: null, detail: 'it holds nothing', action },
  });
  const generationAfter = (...events: readonly HeadgateEvent[]) =>
    fleetAfter(...events).targets.get('api-us')?.generation;
  const before = generationAfter() ?? 0;

  it('is a new one where settings lead to another place, and stays where only labels change', () => {
    expect(generationAfter(labelled({}))).toBe(before);
    expect(generationAfter(labelled({ url: 'x' }))).toBeGreaterThan(before);
    const again = [labelled({ url: 'x' }), labelled({ url: 'x' }, 'b')];
    expect(generationAfter(...again)).toBe(generationAfter(...again.slice(0, 1)));
  });

  it('rule 1: is a new one where a drift is put back, so the event comes before the effect; not where it holds', () => {
    expect(generationAfter(drift('put-back'))).toBeGreaterThan(before);
    expect(generationAfter(drift('hold'))).toBe(before);
  });

  it('says how a target stands: what it drifted to, until that is over', () => {
    const over: HeadgateEvent = { type: 'DriftEnded', data: { target: 'api-us', generation: 1 } };
    expect(fleetAfter(drift('hold')).targets.get('api-us')?.drift).toMatchObject({ detail: 'it holds nothing' });
    expect(fleetAfter(drift('hold'), over).targets.get('api-us')?.drift).toBeNull();
  });
});

describe('what the fleet knows', () => {
  it('keeps labels, models and retirement of targets', () => {
    const fleet = fleetAfter(
      { type: 'TargetLabelled', data: { target: 'api-us', labels: { pool: 'a' }, models: ['haiku'], settings: {} } },
      { type: 'TargetRetired', data: { target: 'api-eu' } },
    );
    expect(fleet.targets.get('api-us')).toMatchObject({
      labels: { pool: 'a' },
      models: ['haiku'],
      version: 2,
      retired: false,
    });
    expect(fleet.targets.get('api-eu')).toMatchObject({ retired: true });
  });

  it('gives values of revisions and the plan of a rollout', () => {
    const plan = aPlan();
    const planned: HeadgateEvent = {
      type: 'RolloutPlanned',
      data: {
        rollout: ROLLOUT,
        config: KEY,
        revision: 2,
        assignment: 'unit',
        plan,
        controls: {},
        vetoReason: null,
        bypass: null,
        reverts: null,
      },
    };
    const fleet = fleetAfter(planned);
    expect(fleet.valueOf(KEY, 2)).toEqual({ n: 2 });
    expect(fleet.valueOf(KEY, 9)).toBeUndefined();
    expect(fleet.rollout(ROLLOUT)).toEqual({ config: KEY, assignment: 'unit', plan });
    expect(fleet.position).toBe(7);
  });
});
