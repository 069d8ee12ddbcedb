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

/** What one instance saw of one model, under one generation, in one span of time. */
export const OutcomeWindow = z
  .object({
    from: z.iso.datetime(),
    ms: z.int().min(100).max(3_600_000),
    model: Name,
    generation: z.int().min(0),
    requests: Count,
    /**
     * Signals that were measured in this window, bad or not. Of others it tells nothing, so a check that has died is
     * noticed. Without the list the window tells of every signal.
     */
    signals: z.array(Name).max(200).optional(),
    arms: z.array(ArmCount).max(200),
    bad: z.array(BadOutcome).max(5_000).default([]),
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
  })
  .meta({ id: 'Acknowledgement' });
export type Acknowledgement = z.output<typeof Acknowledgement>;
