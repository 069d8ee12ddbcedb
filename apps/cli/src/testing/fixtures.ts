import type { AtView, EventView, ParityView, PlanPreview, Problem, RolloutView, VerdictView } from '#libs/contracts';

export const ROLLOUT_ID = '01990a3c-5b10-7cc1-8b0a-2f4f3a9d0c11';
export const OTHER_ID = '01990a3c-9f44-7d02-9c1b-6a7f1e2d3b44';

/** A fail on script errors, as it reads in the log. */
export const failVerdict = (): VerdictView => ({
  signal: 'script-errors',
  track: 'api',
  stage: '5%',
  verdict: 'fail',
  sentence: 'script errors on api-tpu: 41 of 9,120 on the candidate against 9 of 81,700 on control; at least 18 times',
  shadow: false,
  counts: { candidateBad: 41, candidateRequests: 9_120, controlBad: 9, controlRequests: 81_700 },
  values: null,
  ratio: 40.8,
  interval: [18.2, 92],
  logE: 21.3,
  logBound: 9.2,
  method: 'mixture-sprt/1',
  digest: 'sha256:ab',
  at: '2025-08-29T12:10:00.000Z',
});

/** Of a track that waits for the parity of two others: open so far. */
export const openParity = (over: Partial<ParityView> = {}): ParityView => ({
  track: 'vertex',
  signal: 'golden-answers',
  between: ['api', 'bedrock'],
  withinBp: 200,
  verdict: 'inconclusive',
  sentence:
    'parity of api and bedrock on golden answers: 120 pairs, difference −7.56% to 12.16%, needs to lie within ±2%',
  method: 'parity-bet-v1',
  counts: { pairs: 120, leftOnly: 5, rightOnly: 3 },
  difference: 2 / 120,
  interval: [-0.0756, 0.1216],
  logE: -0.2,
  logBound: Math.log(20),
  logAgainst: -0.24,
  logAgainstBound: Math.log(200),
  at: '2025-08-29T12:10:00.000Z',
  ...over,
});

const tracks = (): RolloutView['tracks'] => [
  {
    name: 'api',
    targets: [],
    status: 'in-stage',
    stage: '5%',
    stages: [
      {
        name: '1%',
        exposureBp: 100,
        status: 'passed',
        enteredAt: '2025-08-29T12:00:01.000Z',
        passedAt: '2025-08-29T12:05:00.000Z',
        bakeMs: 30_000,
        bakedMs: 30_000,
        skipped: false,
      },
      {
        name: '5%',
        exposureBp: 500,
        status: 'in-stage',
        enteredAt: '2025-08-29T12:05:00.000Z',
        passedAt: null,
        bakeMs: 30_000,
        bakedMs: 20_000,
        skipped: false,
      },
    ],
  },
  {
    name: 'bedrock',
    targets: [],
    status: 'waiting',
    stage: null,
    stages: [
      {
        name: '1%',
        exposureBp: 100,
        status: 'waiting',
        enteredAt: null,
        passedAt: null,
        bakeMs: 30_000,
        bakedMs: null,
        skipped: false,
      },
    ],
  },
];

const targets = (): RolloutView['targets'] => [
  {
    target: 'api-tpu',
    control: 1,
    requestedBp: 500,
    purpose: 'stage',
    generation: 42,
    delivered: true,
    converged: false,
    readBack: false,
    ended: null,
    error: null,
    failingSince: null,
    silent: [],
    wayBack: null,
  },
  {
    target: 'bedrock-trainium',
    control: 1,
    requestedBp: 0,
    purpose: null,
    generation: 17,
    delivered: true,
    converged: true,
    readBack: false,
    ended: null,
    error: null,
    failingSince: null,
    silent: [],
    wayBack: null,
  },
];

/** A rollout of router.context r2 in its 5% stage on the API, with Bedrock waiting for it. */
export const rollout = (over: Partial<RolloutView> = {}): RolloutView => ({
  id: ROLLOUT_ID,
  config: 'router.context',
  revision: 2,
  plan: 'cautious',
  reason: 'send short prompts to the short pool',
  startedBy: 'alice',
  startedAt: '2025-08-29T12:00:00.000Z',
  endedAt: null,
  status: 'staging',
  held: null,
  waitingFor: ['api/5%: 1,204 more units', 'api/5%: bake, 20 s of 30 s'],
  alpha: 0.001,
  tracks: tracks(),
  targets: targets(),
  verdicts: [],
  parity: [],
  violations: [],
  cause: null,
  bypass: null,
  reverts: null,
  version: 9,
  position: 120,
  ...over,
});

/** The same rollout after it was taken back. */
export const rolledBack = (over: Partial<RolloutView> = {}): RolloutView =>
  rollout({
    status: 'rolled-back',
    endedAt: '2025-08-29T12:10:30.000Z',
    waitingFor: [],
    verdicts: [failVerdict()],
    targets: rollout().targets.map((target) => ({
      ...target,
      requestedBp: 0,
      purpose: null,
      converged: true,
      readBack: true,
      ended: 'drained',
    })),
    position: 130,
    ...over,
  });

/** One event of the rollout. */
export const event = (position: number, over: Partial<EventView> = {}): EventView => ({
  position,
  stream: `rollout-${ROLLOUT_ID}`,
  version: position,
  type: 'StageEntered',
  summary: `event ${position}`,
  actor: { kind: 'person', name: 'alice' },
  reason: null,
  occurredAt: '2025-08-29T12:03:12.000Z',
  recordedAt: '2025-08-29T12:03:12.000Z',
  causationId: null,
  correlationId: 'c-1',
  eventId: `01990a3c-0000-7000-8000-${String(position).padStart(12, '0')}`,
  data: {},
  ...over,
});

export const preview = (): PlanPreview => ({
  config: 'router.context',
  revision: 2,
  plan: 'cautious',
  control: { 'api-tpu': 1, 'api-gpu': 1 },
  stages: [
    {
      track: 'api',
      stage: '1%',
      exposureBp: 100,
      targets: ['api-gpu', 'api-tpu'],
      bakeMs: 30_000,
      predictedMs: 42_000,
      limitedBy: 'activation of tpu/haiku',
      signals: [
        {
          signal: 'script-errors',
          type: 'rate',
          predictedMs: 42_000,
          tolerate: null,
          known: true,
          smallestHarm: 4.2,
          nearlySure: 3.1,
          note: 'sees 4.2 times with 80% power',
        },
        {
          signal: 'refusals',
          type: 'rate',
          predictedMs: null,
          tolerate: 3,
          known: true,
          smallestHarm: null,
          nearlySure: null,
          note: 'too rare for this stage',
        },
      ],
    },
  ],
  parity: [],
  watch: {
    watchMs: 86_400_000,
    holdbackBp: 100,
    requests: 4_200_000,
    signals: [{ signal: 'script-errors', known: true, smallestHarm: 1.12, nearlySure: 1.16, harmedAnswers: 504 }],
  },
  totalMs: null,
  traffic: { spanMs: 3_600_000, perTarget: { 'api-tpu': 1_204.5 } },
  warnings: ['refusals cannot be judged at 1%'],
});

/** What two targets were asked to serve: TPUs one revision ahead when `tpu` is 2. */
export const at = (tpu: 1 | 2, over: Partial<AtView> = {}): AtView => ({
  at: '2025-08-29T12:00:00.000Z',
  position: 100,
  targets: [
    {
      target: 'api-gpu',
      platform: 'api',
      generation: 40,
      configs: [
        {
          config: 'router.context',
          control: 1,
          candidate: null,
          shareBp: 0,
          rollout: null,
          value: { window: 200_000 },
          candidateValue: null,
        },
      ],
    },
    {
      target: 'api-tpu',
      platform: 'api',
      generation: 42,
      configs: [
        {
          config: 'router.context',
          control: tpu,
          candidate: null,
          shareBp: 0,
          rollout: null,
          value: { window: tpu === 1 ? 200_000 : 1_000_000 },
          candidateValue: null,
        },
      ],
    },
  ],
  ...over,
});

export const problem = (over: Partial<Problem> = {}): Problem => ({
  type: 'https://headgate.dev/problems/target-claimed',
  title: 'Target is claimed',
  status: 409,
  detail: 'router.context on api-tpu is held by another rollout',
  code: 'target-claimed',
  ...over,
});
