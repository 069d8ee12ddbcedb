import { z } from 'zod';
import { Name } from './primitives.js';

/** A pseudonym of a unit (HMAC at the client), or a request id. Lives only in the unit store. */
const Pseudonym = z.string().min(1).max(128);
const Revision = z.int().min(1).max(1_000_000_000);
const Count = z.int().min(0).max(1_000_000_000);

/** Requests served under one revision of one config. */
export const ArmCount = z
  .object({
    config: Name,
    revision: Revision,
    requests: Count,
    /** Distinct units seen, as pseudonyms; a sample (the first 64) is enough: it proves activation. */
    units: z.array(Pseudonym).max(64).default([]),
    /** Requests without a targeting key; they stay on control. */
    unassigned: Count.default(0),
  })
  .meta({ id: 'ArmCount' });

/** One bad request, with the revision of every config it was served under. */
export const BadOutcome = z
  .object({
    signal: Name,
    unit: Pseudonym.optional(),
    request: Pseudonym.optional(),
    revisions: z.record(Name, Revision),
  })
  .meta({ id: 'BadOutcome' });

/** One measured value, with the revision of every config it was served under. */
export const MeasuredValue = z
  .object({
    signal: Name,
    value: z.number(),
    /** Whose value it is; where a config is assigned by unit, only the first value of each unit counts. */
    unit: Pseudonym.optional(),
    /** How often this value was seen; more than 1 only without a unit. */
    count: z.int().min(1).max(1_000_000_000).default(1),
    revisions: z.record(Name, Revision),
  })
  .meta({ id: 'MeasuredValue' });

/** The same work done on both revisions of a config, and how often they differed. */
export const PairCount = z
  .object({
    signal: Name,
    config: Name,
    /** The candidate's revision. */
    revision: Revision,
    /** Pairs of answers that were compared. */
    pairs: Count,
    /** Of these: bad on the candidate and good on control, and the other way round. Others say nothing. */
    candidateOnly: Count.default(0),
    controlOnly: Count.default(0),
  })
  .meta({ id: 'PairCount' });

/** What one instance saw of one model, under one generation, in one span of time. */
export const OutcomeWindow = z
  .object({
    from: z.iso.datetime(),
    ms: z.int().min(100).max(3_600_000),
    model: Name,
    generation: z.int().min(0),
    /** None in a window that tells of earlier requests: what it says of them came late. */
    requests: Count,
    /**
     * Signals that were measured in this window, bad or not. Of others it tells nothing, so a check that has died is
     * noticed. Without the list the window tells of every signal.
     */
    signals: z.array(Name).max(200).optional(),
    arms: z.array(ArmCount).max(5_000),
    bad: z.array(BadOutcome).max(5_000).default([]),
    /** Values of signals of type mean or distribution. */
    values: z.array(MeasuredValue).max(5_000).default([]),
    /** Of signals of type paired. */
    pairs: z.array(PairCount).max(500).default([]),
  })
  .meta({ id: 'OutcomeWindow' });

/** `POST /v1/outcomes`. The batch id makes a repetition harmless. */
export const OutcomeBatch = z
  .object({
    batch: z.uuid(),
    target: Name,
    instance: z.string().min(1).max(128),
    windows: z.array(OutcomeWindow).min(1).max(500),
  })
  .meta({ id: 'OutcomeBatch' });
export type OutcomeBatch = z.output<typeof OutcomeBatch>;
export type OutcomeWindow = z.output<typeof OutcomeWindow>;
export type BadOutcome = z.output<typeof BadOutcome>;
export type MeasuredValue = z.output<typeof MeasuredValue>;
export type PairCount = z.output<typeof PairCount>;

/** The answer: what was refused, item by item; the rest is durable. */
export const OutcomeReceipt = z
  .object({
    batch: z.string(),
    repeated: z.boolean(),
    acceptedWindows: z.int(),
    rejected: z.array(z.object({ pointer: z.string(), code: z.string(), detail: z.string() })),
  })
  .meta({ id: 'OutcomeReceipt' });
export type OutcomeReceipt = z.output<typeof OutcomeReceipt>;

/** `PUT /v1/targets/{target}/instances/{instance}`: a heartbeat that acknowledges the generation in use. */
export const Acknowledgement = z
  .object({
    generation: z.int().min(0),
    /** Why the newest ruleset could not be used. */
    error: z.string().max(500).optional(),
    /** Since when it evaluates with this generation, where it could not say so at once. Default: now. */
    since: z.iso.datetime({ offset: true }).optional(),
  })
  .meta({ id: 'Acknowledgement' });
export type Acknowledgement = z.output<typeof Acknowledgement>;
