import { z } from 'zod';
import { Duration, Name } from '#libs/contracts';

/** A probability: `2.5%`, `0.002%` or a number from 0 to 1. Its output is a number from 0 to 1. */
export const Probability = z.union([z.string(), z.number()]).transform((value, context) => {
  const percent = typeof value === 'string' ? /^(\d+(?:\.\d+)?)%$/.exec(value.trim())?.[1] : undefined;
  const share = typeof value === 'number' ? value : percent === undefined ? Number.NaN : Number(percent) / 100;
  if (Number.isFinite(share) && share >= 0 && share <= 1) return share;
  context.addIssue({ code: 'custom', message: 'write a share such as 2.5% or a number from 0 to 1' });
  return z.NEVER;
});

/** A slice of traffic: labels that all must match (`platform` and `target` are labels too), and models. */
export const Slice = z.strictObject({
  labels: z.record(z.string(), z.string()).default({}),
  models: z.array(Name).min(1).optional(),
});

/** Sticky routing: who was hit once stays hit, also after the rollback, for so long after its last request on the candidate. */
export const Sticky = z.union([z.strictObject({ for: Duration }), z.strictObject({ requests: z.int().min(1) })]);

/** One scripted fault: a revision that makes a signal worse for those who are really served by it. */
export const Fault = z
  .strictObject({
    name: Name,
    config: Name,
    revision: z.int().min(1),
    where: Slice.default({ labels: {} }),
    signal: Name,
    /** Chance that an exposed request is bad because of the fault. */
    rate: Probability.optional(),
    /** Instead of `rate`: how many times as often as without the fault the signal is bad. */
    ratio: z.number().gt(1).optional(),
    /** Of a measured value: what an exposed request's value is multiplied by; with `rate` only that share of them. */
    times: z.number().positive().optional(),
    /** Delay after the target's first exposure. */
    from: Duration.default(0),
    /** Share of units that the fault can hit. */
    units: Probability.default(1),
    sticky: Sticky.optional(),
  })
  .refine(({ rate, ratio, times }) => times !== undefined || (rate === undefined) !== (ratio === undefined), {
    message: 'give exactly one of rate and ratio, or times for a measured value',
    path: ['rate'],
  })
  .refine(({ times, ratio, sticky }) => times === undefined || (ratio === undefined && sticky === undefined), {
    message: 'times goes with rate alone: leave ratio and sticky out',
    path: ['times'],
  });

const Target = z.strictObject({
  labels: z.record(Name, z.string()).default({}),
  /** Model → its weight in the target's traffic. */
  models: z
    .record(Name, z.number().positive())
    .refine((models) => Object.keys(models).length > 0, 'name at least one model'),
  instances: z.int().min(1).max(5_000),
  requestsPerSecond: z.number().min(0).max(1_000_000),
  /** Users of this target. */
  units: z.int().min(1).max(10_000_000),
});

const Signal = z.strictObject({
  name: Name,
  rate: Probability,
  /** Share of units for whom every request is bad, whatever the revision. */
  alwaysBroken: Probability.default(0),
  /** The last one that matches wins. */
  overrides: z.array(z.strictObject({ where: Slice, rate: Probability })).default([]),
});

/** A value that is measured of requests, such as a latency or a score. */
const Value = z.strictObject({
  name: Name,
  /** The median of a lognormal value, the mean of a normal one. */
  typical: z.number().positive(),
  /** Standard deviation: of the logarithm where the shape is lognormal. */
  spread: z.number().min(0),
  shape: z.enum(['lognormal', 'normal']).default('lognormal'),
  /** Values beyond are cut to it. */
  range: z.tuple([z.number(), z.number()]).optional(),
  /** Share of requests that it is measured of. */
  share: Probability.default(1),
});

const Config = z.strictObject({
  name: Name,
  assignment: z.enum(['unit', 'request', 'instance']).default('unit'),
});

/** The file that describes the fleets, what is normal there, and what goes wrong. */
export const ScenarioFile = z.strictObject({
  seed: z.int().min(0).max(0xffff_ffff),
  /** Outcomes are sent once in this time by each instance. */
  window: Duration.default(1_000).refine((ms) => ms >= 250 && ms <= 60_000, 'a window lasts 250ms to 1m'),
  heartbeat: Duration.default(3_000).refine((ms) => ms >= 250, 'a heartbeat comes at most every 250ms'),
  /** Windows of outcomes that an instance keeps while no controller takes them. */
  buffer: z.int().min(1).max(100_000).default(600),
  /** Share of requests that carry no targeting key. */
  keyless: Probability.default(0),
  configs: z.array(Config).min(1).max(50),
  signals: z.array(Signal).min(1).max(50),
  values: z.array(Value).max(20).default([]),
  platforms: z.record(Name, z.strictObject({ targets: z.record(Name, Target) })),
  faults: z.array(Fault).default([]),
});

export type ScenarioFile = z.output<typeof ScenarioFile>;
export type FaultInput = z.input<typeof Fault>;
export type Fault = z.output<typeof Fault>;
export type Slice = z.output<typeof Slice>;
