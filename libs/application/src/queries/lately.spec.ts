import { describe, expect, it } from 'vitest';
import { aPlan, aSignal, aStage, aTrack, SOME_SIGNALS } from '#libs/testing';
import type { RegisteredConfig, Rollout } from '#libs/domain';
import type { StoredLook, Traffic } from '../ports.js';
import { latelyOf, recordedIn, type Lately, type Recording, type SignalLately } from './lately.js';
import { previewOf } from './preview.js';

const CATALOGUE = [
  ...SOME_SIGNALS,
  { signal: 'first-token', title: 'time to first token', type: 'distribution' as const },
  { signal: 'answer-score', title: 'answer scores', type: 'mean' as const, range: [0, 1] as [number, number] },
  { signal: 'golden', title: 'golden answers', type: 'paired' as const },
  {
    signal: 'gateway-errors',
    title: 'errors at the gateway',
    type: 'rate' as const,
    source: { type: 'otlp' } as never,
  },
];
const plan = aPlan(
  {
    tracks: [aTrack('api', { stages: [aStage(1_000), aStage(10_000)] })],
    signals: ['first-token', 'answer-score', 'golden', 'script-errors'].map((each) =>
      aSignal(each, { tolerate: 'none' }),
    ),
    watch: 600_000,
  },
  { signals: CATALOGUE },
);

const place = { target: 'api-us', model: 'sonnet' };
const traffic: Traffic = {
  requests: [{ ...place, requestsPerSecond: 100 }],
  bad: [{ ...place, signal: 'script-errors', badPerSecond: 1 }],
};

const lookOf = (cells: readonly Partial<StoredLook['cells'][number]>[]): StoredLook => ({
  look: 1,
  at: 0,
  digest: '',
  cells: cells.map((cell) => ({
    signal: '',
    ...place,
    shareBp: 100,
    candidateBad: 0,
    controlBad: 0,
    ...cell,
  })),
});

const latencies = Array.from({ length: 60 }, (_, i): [number, number, number] => [100 * 1.05 ** i, 1, 5]);
const verdict = (signal: string, pairs: number, bad: number, at: number) => ({
  [`api/${signal}`]: {
    signal,
    track: 'api',
    at,
    counts: {
      controlRequests: pairs,
      controlBad: bad,
      candidateRequests: pairs,
      candidateBad: bad,
    },
  },
});

const recording = (over: Partial<Recording> = {}): Recording => ({
  rollout: { plan, startedAt: 0, verdicts: verdict('golden', 500, 20, 100_000) as unknown as Rollout['verdicts'] },
  looks: [lookOf([{ signal: 'first-token', bins: latencies }])],
  totals: {
    slices: [{ ...place, candidateRequests: 100, controlRequests: 900, unassigned: 0 }],
    unmeasured: [],
    samples: [{ ...place, signal: 'first-token', candidate: 25, control: 225 }],
  },
  ...over,
});

const of = (recordings: readonly Recording[], assignment: Rollout['assignment'] = 'unit'): Lately =>
  latelyOf({ plan, assignment }, recordings, [], traffic, new Set(), { 'api-us': ['a', 'b', 'c', 'd'] });

describe('What was measured lately of the signals of a plan', () => {
  it('is nothing before the first rollout that measured them', () => {
    const lately = of([]);
    expect(lately.get('first-token')).toEqual({ values: [] });
    expect(lately.get('golden')).toEqual({ pairs: [] });
  });

  it('is of values those of control, and as many for each request as there were then', () => {
    const [values] = of([recording()]).get('first-token')?.values ?? [];
    expect(values).toMatchObject({ ...place, perSecond: 25 });
    expect(values?.seen).toEqual(latencies.map(([value, , control]) => [value, control]));
  });

  it('is of a slice what the newest rollout told, and of one that it did not tell what an older one did', () => {
    const older = recording({
      looks: [
        lookOf([
          { signal: 'first-token', bins: latencies },
          { signal: 'first-token', target: 'api-eu', bins: latencies },
        ]),
      ],
      totals: {
        slices: ['api-us', 'api-eu'].map((target) => ({
          ...place,
          target,
          candidateRequests: 0,
          controlRequests: 1e3,
          unassigned: 0,
        })),
        unmeasured: [],
        samples: ['api-us', 'api-eu'].map((target) => ({
          ...place,
          target,
          signal: 'first-token',
          candidate: 0,
          control: 500,
        })),
      },
    });
    const both = {
      requests: ['api-us', 'api-eu'].map((target) => ({ ...place, target, requestsPerSecond: 100 })),
      bad: [],
    };
    const lately = latelyOf({ plan, assignment: 'unit' }, [recording(), older], [], both);
    expect(lately.get('first-token')?.values?.map(({ target, perSecond }) => [target, perSecond])).toEqual([
      ['api-us', 25],
      ['api-eu', 50],
    ]);
  });

  it('is not told by a few values or pairs', () => {
    const few = recording({
      looks: [lookOf([{ signal: 'first-token', bins: [[100, 3, 20]] }])],
      rollout: {
        ...recording().rollout,
        verdicts: verdict('golden', 12, 1, 100_000) as unknown as Rollout['verdicts'],
      },
    });
    expect(of([few]).get('first-token')).toEqual({ values: [] });
    expect(of([few]).get('golden')).toEqual({ pairs: [] });
  });

  it('is of pairs how many were done in the time, over the targets of the track, and which were bad on control', () => {
    const targets = plan.tracks[0]?.targets.length ?? 0;
    expect(of([recording()]).get('golden')?.pairs?.[0]).toEqual({
      target: 'api-us',
      perSecond: 5 / targets,
      badPart: 0.04,
    });
  });

  it('is of instances what each of them was like on control', () => {
    const instances = [
      ['a', 'spared', 100, 1],
      ['b', 'spared', 100, 3],
      ['c', 'late', 50, 1],
      ['d', 'chosen', 100, 90],
    ] as const;
    const drawn = recording({ looks: [lookOf([{ signal: 'script-errors', instances }])] });
    expect(of([drawn], 'instance').get('script-errors')?.instances).toEqual([
      { target: 'api-us', levels: [0.01, 0.03, 0.02], count: 100, perSecond: 25 },
    ]);
  });

  it('is of what a source counts its rate of the last minutes, and how far units were apart; nothing without arms', () => {
    const counting = aPlan({ signals: [aSignal('gateway-errors'), aSignal('wrong-pool')] }, { signals: CATALOGUE });
    const observed = [{ ...place, signal: 'gateway-errors', requests: 2_000, bad: 10 }];
    const told = recording({
      rollout: { plan: counting, startedAt: 0, verdicts: {} },
      looks: [lookOf([{ signal: 'gateway-errors', dispersion: 1.4 }])],
    });
    const latelyIn = (recordings: readonly Recording[], armless: readonly string[] = []) =>
      latelyOf({ plan: counting, assignment: 'unit' }, recordings, observed, traffic, new Set(armless)).get(
        'gateway-errors',
      );
    expect(latelyIn([told])).toEqual({ badPerRequest: 0.005, dispersion: 1.4 });
    expect(latelyIn([])).toEqual({ badPerRequest: 0.005 });
    expect(latelyIn([told], ['gateway-errors'])).toEqual({ isArmless: true });
    const prepared = { config, revision: 2, plan: counting, controls: { 'api-us': 1 }, bypasses: false };
    const noteWith = (lately: SignalLately | undefined) =>
      previewOf(prepared, traffic, 600_000, [], {}, new Map([['gateway-errors', lately ?? {}]])).preview.stages[0]
        ?.signals[0];
    expect(noteWith(latelyIn([told]))).toMatchObject({ known: true, note: 'goes on when not shown harmful' });
    expect(noteWith(latelyIn([]))?.note).toContain('as if requests were independent');
    const armless = noteWith(latelyIn([told], ['gateway-errors']));
    expect(armless).toMatchObject({ known: false, smallestHarm: null });
    expect(armless?.note).toContain('without arms');
  });

  it('is asked of rollouts with the same coin of the last 30 days that have such a signal, the newest four', async () => {
    const day = 86_400_000;
    const asked: string[] = [];
    const evidence = {
      requests: async (id: string) => {
        asked.push(id);
        return recording().totals;
      },
      readLooks: async () => [],
    };
    const rollout = (id: string, days: number, over: Partial<Rollout> = {}) =>
      ({
        id,
        plan,
        assignment: 'unit',
        startedAt: 100 * day - days * day,
        ...over,
      }) as Rollout;
    const all = [
      ...[5, 4, 3, 2, 1].map((days) => rollout(`r${days}`, days)),
      rollout('old', 31),
      rollout('other-coin', 1, { assignment: 'request' }),
      rollout('other-signals', 1, { plan: { ...plan, signals: [] } }),
    ];
    await recordedIn(evidence, all, plan.signals, 'unit', 100 * day);
    expect(asked).toEqual(['r1', 'r2', 'r3', 'r4']);
  });
});

const config: RegisteredConfig = {
  status: 'registered',
  key: 'router.context',
  kind: 'quality',
  assignment: 'unit',
  schema: null,
  description: null,
  revisions: [],
  claims: {},
  settled: {},
  live: {},
  vetoes: {},
};

const previewWith = (lately: Lately, served: Traffic = traffic) =>
  previewOf({ config, revision: 2, plan, controls: { 'api-us': 1 }, bypasses: false }, served, 600_000, [], {}, lately);

describe('The preview of a plan with values and pairs', () => {
  const known = previewWith(of([recording()])).preview;
  const unknown = previewWith(of([])).preview;
  const sightOf = ({ stages }: typeof known, signal: string) =>
    stages[0]?.signals.find((each) => each.signal === signal);

  it('says what each of them sees once it was measured, and of the watch as well', () => {
    for (const signal of ['first-token', 'golden']) {
      expect(sightOf(known, signal)).toMatchObject({ known: true });
      expect(sightOf(known, signal)?.smallestHarm).toBeGreaterThan(1);
      const watched = known.watch.signals.find((each) => each.signal === signal);
      expect(watched?.smallestHarm).toBeGreaterThan(1);
    }
  });

  it('says before that it is not known yet, guesses nothing, and warns of it', () => {
    for (const signal of ['first-token', 'answer-score', 'golden'])
      expect(sightOf(unknown, signal)).toMatchObject({ known: false, smallestHarm: null, nearlySure: null });
    expect(sightOf(known, 'answer-score')).toMatchObject({ known: false });
    expect(unknown.warnings.join()).toContain(
      'What first-token, answer-score, golden can see, and when, is not known yet',
    );
  });

  it('is not called blind for what is not known yet, and is for what is known to tell nothing', () => {
    const alone = { ...plan, signals: plan.signals.filter(({ signal }) => signal === 'first-token'), watchMs: 1_000 };
    const prepared = { config, revision: 2, plan: alone, controls: { 'api-us': 1 }, bypasses: false };
    const thin = { ...traffic, requests: [{ ...place, requestsPerSecond: 0.01 }] };
    const isBlind = (recordings: readonly Recording[]): boolean =>
      previewOf(prepared, thin, 600_000, [], {}, latelyOf({ plan, assignment: 'unit' }, recordings, [], thin)).isBlind;
    expect(isBlind([])).toBe(false);
    expect(isBlind([recording()])).toBe(true);
  });

  it('says in words that there is no traffic, once, and predicts nothing', () => {
    const { stages, warnings, totalMs } = previewWith(of([recording()]), { requests: [], bad: [] }).preview;
    expect(stages.map(({ predictedMs, limitedBy }) => [predictedMs, limitedBy])).toEqual([
      [null, 'no traffic'],
      [null, 'no traffic'],
    ]);
    expect(totalMs).toBeNull();
    expect(warnings.filter((each) => each.includes('No traffic was seen on'))).toHaveLength(1);
    expect(warnings.join()).toContain('nothing can be predicted');
    expect(warnings.join()).not.toContain('cannot be predicted');
  });
});
