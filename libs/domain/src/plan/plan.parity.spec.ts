import { describe, expect, it } from 'vitest';
import { A_PAIRED_SIGNAL, aPlanSpec, aTrack, SOME_SIGNALS, SOME_TARGETS } from '#libs/testing';
import { planFaults, planGaps, resolvePlan, type KnownSignal, type KnownTarget, type PlanSpec } from './index.js';

type Parity = NonNullable<PlanSpec['tracks'][number]['parity']>[number];

const vertexUs: KnownTarget = { target: 'vertex-us', platform: 'vertex', labels: {}, models: ['sonnet'] };
const catalogue = { targets: [...SOME_TARGETS, vertexUs], signals: [...SOME_SIGNALS, A_PAIRED_SIGNAL] };

const asked = (change: Partial<Parity> = {}): Parity => ({
  signal: 'golden-answers',
  between: ['api', 'bedrock'],
  within: 200,
  ...change,
});
/** Tracks api and bedrock, and vertex after their parity. */
const tracksOf = (...parity: readonly Parity[]): Pick<PlanSpec, 'tracks'> => ({
  tracks: [aTrack('api'), aTrack('bedrock'), aTrack('vertex', { parity })],
});
const faultsOf = (change: Partial<PlanSpec>): readonly string[] =>
  planFaults(aPlanSpec(change)).map(({ code, field }) => `${code} ${field}`);
const resolved = (change: Partial<PlanSpec>, signals: readonly KnownSignal[] = catalogue.signals) =>
  resolvePlan('careful', 1, aPlanSpec(change), { ...catalogue, signals });

describe('a plan in which a track waits for the parity of two others', () => {
  it('has no fault, and a rollout pins what is asked', () => {
    expect(faultsOf(tracksOf(asked()))).toEqual([]);
    expect(resolved(tracksOf(asked()))).toMatchObject({
      plan: {
        tracks: [
          { parity: [] },
          { parity: [] },
          { parity: [{ signal: 'golden-answers', between: ['api', 'bedrock'], withinBp: 200 }] },
        ],
      },
    });
  });

  it.each<[string, Partial<PlanSpec>, string]>([
    [
      'a track that is not there',
      tracksOf(asked({ between: ['api', 'azure'] })),
      'track-not-found /spec/tracks/2/parity/0/between/1',
    ],
    [
      'one track on both sides',
      tracksOf(asked({ between: ['api', 'api'] })),
      'same-track-twice /spec/tracks/2/parity/0/between',
    ],
    [
      'the waiting track itself',
      tracksOf(asked({ between: ['vertex', 'api'] })),
      'track-cycle /spec/tracks/2/parity/0/between/0',
    ],
    ['no margin', tracksOf(asked({ within: 0 })), 'margin-out-of-range /spec/tracks/2/parity/0/within'],
    [
      'a margin above one half',
      tracksOf(asked({ within: 5_001 })),
      'margin-out-of-range /spec/tracks/2/parity/0/within',
    ],
    [
      'the same asked twice, the sides exchanged',
      tracksOf(asked(), asked({ between: ['bedrock', 'api'], within: 100 })),
      'duplicate-parity /spec/tracks/2/parity',
    ],
  ])('is refused with %s', (_, change, fault) => {
    expect(faultsOf(change)).toEqual([fault]);
  });

  it('is refused where a track would wait for itself, by parity and by stages together', () => {
    const tracks = [aTrack('api'), aTrack('bedrock', { after: 'vertex/1%' }), aTrack('vertex', { parity: [asked()] })];
    expect(faultsOf({ tracks })).toEqual([
      'track-cycle /spec/tracks/1/after',
      'track-cycle /spec/tracks/2/parity/0/between/1',
    ]);
  });

  it('may compare a track that waits for another, as long as there is no circle', () => {
    const tracks = [
      aTrack('api'),
      aTrack('bedrock', { after: 'api/10%' }),
      aTrack('vertex', { after: 'bedrock/1%', parity: [asked()] }),
    ];
    expect(faultsOf({ tracks })).toEqual([]);
  });

  it('cannot be started by while its signal is not registered, and says so when it is applied', () => {
    const rejected = resolved(tracksOf(asked({ signal: 'silver' })));
    const field = '/spec/tracks/2/parity/0/signal';
    expect(rejected).toMatchObject({ rejection: { code: 'signal-not-found', field } });
    const gaps = planGaps('careful', aPlanSpec(tracksOf(asked({ signal: 'silver' }))), catalogue);
    expect(gaps).toMatchObject([{ field, message: expect.stringContaining('signal silver, which is not registered') }]);
  });

  it('cannot be started by with a signal that compares nothing', () => {
    const change = tracksOf(asked({ signal: 'script-errors' }));
    const field = '/spec/tracks/2/parity/0/signal';
    expect(resolved(change)).toMatchObject({ rejection: { code: 'signal-not-paired', field } });
    const gaps = planGaps('careful', aPlanSpec(change), catalogue);
    expect(gaps).toMatchObject([{ field, message: expect.stringContaining('name a signal of type paired') }]);
  });
});
