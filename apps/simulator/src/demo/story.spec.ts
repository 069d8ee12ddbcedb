import { describe, expect, it } from 'vitest';
import type { EventView, PlanPreview } from '#libs/contracts';
import { storyEvent, type StoryEvent } from './events.js';
import { beginStory, tell, withPrediction } from './story.js';
import { harmAfterwards, hasEnded, judge, type Expectation } from './verdict.js';

let position = 0;
const view = (type: string, seconds: number, data: object): EventView => ({
  position: (position += 1),
  stream: 'rollout-1',
  version: position,
  type,
  summary: '',
  actor: { kind: 'automation', name: 'controller' },
  reason: null,
  occurredAt: new Date(seconds * 1_000).toISOString(),
  recordedAt: new Date(seconds * 1_000).toISOString(),
  causationId: null,
  correlationId: 'c-1',
  eventId: String(position),
  data: { rollout: 'r', ...data },
});
const stages = ['1%', '10%'].map((name) => ({ name }));
const planned = view('RolloutPlanned', 1, {
  config: 'sampler',
  revision: 2,
  controls: { 'api-tpu': 1, 'api-gpu': 1 },
  plan: {
    plan: 'careful',
    holdbackBp: 100,
    watchMs: 3_000,
    signals: [{ signal: 'syntax-errors', title: 'syntax errors', type: 'rate' }],
    tracks: [{ name: 'api', targets: [{ target: 'api-tpu' }, { target: 'api-gpu' }], stages }],
  },
});
const sentences = [
  'answers in an unexpected script over 2 slices: 0 of 12,300 on the candidate against 3 of 111,000 on control; not shown harmful',
  'syntax errors over 2 slices: 61 of 12,300 on the candidate against 540 of 111,000 on control; shown to be below x3',
];
const preview = { config: 'sampler', stages: [{ track: 'api', stage: '1%', predictedMs: 4_500 }] } as unknown;
const events = (...views: readonly EventView[]): StoryEvent[] => views.flatMap((one) => storyEvent(one) ?? []);
const told = (...views: readonly EventView[]): string[] => {
  let story = withPrediction(beginStory(0), preview as PlanPreview);
  return events(...views).flatMap((event) => {
    const next = tell(story, event);
    story = next.story;
    return next.lines;
  });
};
const exposure = (target: string, shareBp: number) =>
  view('ExposureRequested', 2, { target, shareBp, purpose: 'stage' });
const caught = [
  planned,
  view('StageEntered', 2, { track: 'api', stage: '1%' }),
  exposure('api-tpu', 100),
  exposure('api-gpu', 100),
  view('DegradationDetected', 3.5, {
    signal: 'syntax-errors',
    stages: ['api/1%'],
    sentence: 'syntax errors on api-tpu: 9 of 90',
  }),
  view('RollbackStarted', 3.5, { targets: ['api-tpu', 'api-gpu'] }),
  view('TargetReadBack', 3.9, { target: 'api-tpu' }),
  view('TargetReadBack', 4.1, { target: 'api-gpu' }),
  view('RolledBack', 8, { targets: { 'api-tpu': 'drained', 'api-gpu': 'drained' } }),
];
const catching: Expectation = {
  kind: 'caught',
  signal: 'syntax-errors',
  firstStage: 'api/1%',
  exposed: ['api-tpu', 'api-gpu'],
};

describe('The story that the demo tells', () => {
  it('says of each stage how long it took, what the plan had said, and on which evidence it went on', () => {
    const lines = told(
      planned,
      view('StageEntered', 2, { track: 'api', stage: '1%' }),
      view('StagePassed', 6.1, { track: 'api', stage: '1%', sentences }),
    );
    expect(lines.at(-1)).toBe(
      '   6.1s  api        1% -> 10%    passed after 4.1 s (plan said 4.5 s): syntax errors 61 of 12,300 vs 540 of 111,000; shown to be below x3',
    );
  });

  it('tells how a bad change was caught, taken back and gone, with the times between', () => {
    expect(told(...caught)).toEqual([
      '   1.0s  start      sampler r2 by plan careful, 2 targets',
      '   2.0s  api        1% of sampler r2 is asked for',
      '   3.5s  caught     sampler r2 in api/1% after 1.5 s: syntax errors on api-tpu: 9 of 90',
      '   3.5s  rollback   sampler r2 is taken back from api-tpu, api-gpu',
      '   4.1s  read back  api-tpu, api-gpu on r1 again, 0.6 s after the rollback began',
      '   8.0s  gone       sampler r2 is gone everywhere, 4.5 s after the rollback began',
    ]);
  });

  it('leaves out what it does not know', () => {
    expect(told(view('StagePassed', 1, { track: 'api', stage: '1%', sentences }), view('TokenCreated', 1, {}))).toEqual(
      [],
    );
  });
});

describe('The check at the end of the demo', () => {
  it('is content when a bad change was caught in its first stage, read back and drained everywhere', () => {
    expect(judge(events(...caught), catching)).toMatchObject({ ok: true, problems: [] });
    expect(hasEnded(events(...caught))).toBe(true);
    expect(hasEnded(events(...caught.slice(0, -1)))).toBe(false);
  });

  it.each([
    [
      'it passed a stage first',
      [...caught.slice(0, 4), view('StagePassed', 3, { track: 'api', stage: '1%', sentences }), ...caught.slice(4)],
      'it passed api/1%',
    ],
    [
      'another signal caught it',
      caught.map((one) =>
        one.type === 'DegradationDetected'
          ? { ...one, data: { rollout: 'r', signal: 'other', stages: [], sentence: '' } }
          : one,
      ),
      'caught by other',
    ],
    ['a target was never read back', caught.filter((_, index) => index !== 7), 'not read back: api-gpu'],
    [
      'a target was given up',
      [...caught.slice(0, -1), view('RolledBack', 8, { targets: { 'api-tpu': 'drained', 'api-gpu': 'abandoned' } })],
      'not drained: api-gpu',
    ],
    ['another target was exposed too', [...caught, exposure('vertex', 100)], 'exposed were'],
    ['nothing was detected', caught.slice(0, 4), 'nothing was detected'],
  ])('is not content with a bad change when %s', (_, given, problem) => {
    const { ok, problems } = judge(events(...given), catching);
    expect(ok).toBe(false);
    expect(problems.join('\n')).toContain(problem);
  });

  it('is not content when a fault still did harm after its change was declared gone', () => {
    const truth = (lastBadAt: number) => {
      const fault = {
        exposed: 9,
        badOnCandidate: 2,
        badAfterRollback: 1,
        units: 2,
        firstExposedAt: 2_000,
        firstBadAt: 3_000,
        lastBadAt,
      };
      const totals = { requests: 100, badOfFaults: 3, badAfterRollback: 1 };
      return { faults: { misrouting: { 'api-tpu': fault } }, requests: {}, served: {}, ordinaryBad: {}, totals };
    };
    expect(harmAfterwards(events(...caught), 'misrouting', truth(7_900))).toEqual([]);
    expect(harmAfterwards(events(...caught), 'misrouting', truth(9_500))).toEqual([
      'api-tpu: misrouting still did harm 1.5 s after it was declared gone',
    ]);
  });

  it('wants of a good change every stage in order, and that it settles everywhere', () => {
    const want: Expectation = { kind: 'settles', tracks: ['api'], stages: ['1%', '10%'], targets: 2 };
    const pass = (stage: string) => view('StagePassed', 6, { track: 'api', stage, sentences });
    const settled = view('RolloutSettled', 9, { revision: 2, targets: ['api-tpu', 'api-gpu'] });
    expect(judge(events(planned, pass('1%'), pass('10%'), settled), want).ok).toBe(true);
    expect(judge(events(planned, pass('1%'), settled), want).ok).toBe(false);
    expect(judge(events(planned, pass('1%'), pass('10%')), want).ok).toBe(false);
    expect(
      judge(events(planned, pass('1%'), pass('10%'), settled, caught[4] ?? settled), want).problems.join(),
    ).toContain('taken for harmful');
  });
});
