import { z } from 'zod';
import { API_VERSION, Duration, Name, PlanManifest } from '#libs/contracts';

const RATE = /^(\d+(?:\.\d+)?)%$/;

/** A share of requests or units: `0.0004%`, or a number from 0 to 1; its output is from 0 to 1. */
export const Rate = z.union([z.string(), z.number()]).transform((rate, context) => {
  const percent = typeof rate === 'string' ? RATE.exec(rate.trim())?.[1] : undefined;
  const value = typeof rate === 'number' ? rate : percent === undefined ? Number.NaN : Number(percent) / 100;
  if (value >= 0 && value <= 1) return value;
  context.addIssue({ code: 'custom', message: 'write a share such as 0.8%, or a number from 0 to 1' });
  return z.NEVER;
});

const ZONED = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2})$/;

/** A moment of the virtual clock, with its zone; its output is ms since 1970. */
export const Instant = z.string().transform((text, context) => {
  const at = ZONED.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(at)) return at;
  context.addIssue({ code: 'custom', message: 'write a time with its zone, such as 2025-08-29T14:00Z' });
  return z.NEVER;
});

const Text = z.string().trim().min(1).max(600);

const origin = {
  /** Where the numbers come from: a key of `sources`, then more words if need be. */
  source: Text.optional(),
  /** What is assumed, and why it is not known. */
  assumption: Text.optional(),
};

const hasOrigin = (value: {
  readonly source?: string | undefined;
  readonly assumption?: string | undefined;
}): boolean => value.source !== undefined || value.assumption !== undefined;
const NO_ORIGIN = { message: 'say where this comes from: a source, or an assumption, or both' };

/** Labels that must all match, each with one value or several; `platform`, `target` and `model` are labels too. */
const Place = z.record(
  Name,
  z.union([
    z
      .string()
      .min(1)
      .transform((value): readonly string[] => [value]),
    z.array(z.string().min(1)).min(1),
  ]),
);
const Factor = z.number().positive().max(100_000);

const ordered = (points: readonly { readonly at: number }[]): boolean =>
  points.every((point, index) => index === 0 || point.at > (points[index - 1]?.at ?? 0));
const NOT_ORDERED = { message: 'points must be in order of time' };

const RatePoints = z
  .array(z.strictObject({ after: Duration, rate: Rate }).transform(({ after, rate }) => ({ at: after, value: rate })))
  .min(1)
  .refine(ordered, NOT_ORDERED);

const TimesPoints = z
  .array(
    z.strictObject({ after: Duration, times: Factor }).transform(({ after, times }) => ({ at: after, value: times })),
  )
  .min(1)
  .refine(ordered, NOT_ORDERED);

const SharePoints = z
  .array(z.strictObject({ at: Instant, share: Rate }).transform(({ at, share }) => ({ at, value: share })))
  .min(1)
  .refine(ordered, NOT_ORDERED);

const Shape = z.enum(['linear', 'step']);

const Population = z
  .strictObject({ name: Name, units: z.int().min(1).max(50_000_000), ...origin })
  .refine(hasOrigin, NO_ORIGIN);

const Target = z
  .strictObject({
    name: Name,
    platform: Name,
    labels: z.record(Name, z.string().min(1).max(100)).default({}),
    population: Name,
    instances: z.int().min(1).max(100_000),
    /** Mean requests per hour, by model. */
    requestsPerHour: z.record(Name, z.number().positive()),
    /** Part of the mean by which traffic swings over the day. */
    swing: Rate.default(0),
    /** Hour (UTC) with the most traffic. */
    peakHour: z.number().min(0).max(24).default(18),
    /** From the asking to the first instance that follows, and from there to the last. */
    apply: Duration.default(2_000),
    converge: Duration.default(20_000),
    ...origin,
  })
  .refine(hasOrigin, NO_ORIGIN);

const Signal = z
  .strictObject({
    name: Name,
    /** `paired` is measured by its probe. */
    type: z.enum(['invariant', 'rate', 'paired']),
    title: z.string().min(1).max(80),
    /** Bad share of requests today; of a probe, of prompts. */
    base: Rate.default(0),
    /** Share of units from which all of it comes: clients that are always broken. */
    brokenUnits: Rate.optional(),
    probe: z
      .strictObject({
        every: Duration,
        prompts: z.int().min(1).max(10_000),
        batchSizes: z.array(z.int().min(1)).min(1).max(20),
      })
      .optional(),
    ...origin,
  })
  .refine(({ type, probe }) => (type === 'paired') === (probe !== undefined), {
    path: ['type'],
    message: 'paired and a probe go together: give a signal of type paired a probe, and a probe the type paired',
  })
  .refine(hasOrigin, NO_ORIGIN);

const Change = z
  .strictObject({
    name: Name,
    title: Text,
    config: Name,
    assignment: z.enum(['unit', 'request']).default('unit'),
    /** The change whose very revision goes out here; without it, a revision of its own. */
    revisionOf: Name.optional(),
    plan: Name.optional(),
    /** Plans under which the change is run alone as well, to compare. */
    alsoWith: z.array(Name).default([]),
    occurred: z.strictObject({
      on: Text,
      precision: z.enum(['instant', 'hour', 'day']),
      /** What other sources say. */
      conflicts: z.array(Text).default([]),
    }),
    /** When it starts on the virtual clock. */
    starts: Instant,
    /** It was live already: settled, at the shares of `really`. */
    imported: z.literal('settled').optional(),
    vetoReason: Text.optional(),
    really: z
      .array(z.strictObject({ where: Place.default({}), shape: Shape.default('step'), exposure: SharePoints }))
      .default([]),
    published: z.array(z.strictObject({ text: Text, source: Text })).default([]),
    ...origin,
  })
  .refine(hasOrigin, NO_ORIGIN)
  .refine(({ plan, imported }) => (plan === undefined) === (imported !== undefined), {
    message: 'give the change a plan, or say that it was imported: settled',
    path: ['plan'],
  });

const Fault = z
  .strictObject({
    name: Name,
    change: Name,
    /** Without it no live signal sees the harm. */
    signal: Name.optional(),
    where: Place.default({}),
    shape: Shape.default('step'),
    /** Bad share of requests that run the change: one number, or points in time after its start. */
    rate: z.union([Rate.transform((value) => [{ at: 0, value }]), RatePoints]),
    /** A unit that is hit stays hit for so many requests. */
    sticky: z.strictObject({ requests: z.int().min(1).max(10_000), over: Duration }).optional(),
    ...origin,
  })
  .refine(hasOrigin, NO_ORIGIN);

const Amplifier = z
  .strictObject({
    name: Name,
    change: Name,
    /** The fault whose rate it multiplies for requests that run both changes. */
    amplifies: Name,
    shape: Shape.default('linear'),
    times: z.union([Factor.transform((value) => [{ at: 0, value }]), TimesPoints]),
    ...origin,
  })
  .refine(hasOrigin, NO_ORIGIN);

const ProbeFault = z
  .strictObject({
    name: Name,
    change: Name,
    signal: Name,
    where: Place.default({}),
    batchSizes: z.array(z.int().min(1)).min(1),
    /** How often the candidate disagrees with the reference there. */
    disagreement: Rate,
    ...origin,
  })
  .refine(hasOrigin, NO_ORIGIN);

const Expect = z.strictObject({
  change: Name,
  plan: Name.optional(),
  ends: z.enum(['settled', 'rolled-back']).optional(),
  stage: Text.optional(),
  by: Name.optional(),
  method: Name.optional(),
  within: Duration.optional(),
  alongside: Name.optional(),
  affectedAtMost: Rate.optional(),
});

/** A scripted history: what ran where, what changed, what broke, and what really happened. */
export const ReplayScript = z.strictObject({
  apiVersion: z.literal(API_VERSION),
  kind: z.literal('Replay'),
  metadata: z.strictObject({ name: Name }),
  spec: z.strictObject({
    title: Text,
    seed: z.int().min(0).max(4_294_967_295),
    from: Instant,
    until: Instant,
    sources: z.record(Name, z.strictObject({ title: Text, url: z.url() })).default({}),
    populations: z.array(Population).min(1),
    targets: z.array(Target).min(1),
    signals: z.array(Signal).min(1),
    plans: z.array(z.strictObject({ name: Name, spec: PlanManifest.shape.spec })).min(1),
    changes: z.array(Change).min(1),
    faults: z.array(Fault).default([]),
    amplifiers: z.array(Amplifier).default([]),
    probeFaults: z.array(ProbeFault).default([]),
    expect: z.array(Expect).default([]),
  }),
});
export type ReplayScript = z.output<typeof ReplayScript>;
