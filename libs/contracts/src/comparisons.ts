import { z } from 'zod';
import { Name } from './primitives.js';

const Count = z.int().min(0).max(1_000_000_000);

/** The same work done on two targets under one revision, and how often only one of the two was bad. */
export const Comparison = z
  .object({
    /** Of type paired. */
    signal: Name,
    config: Name,
    /** The candidate's revision, which served both. */
    revision: z.int().min(1).max(1_000_000_000),
    left: Name,
    right: Name,
    /** When it was done. */
    at: z.iso.datetime({ offset: true }),
    /** Pairs of answers that were compared, each of another piece of work. */
    pairs: Count.min(1),
    /** Of these: bad on the left and good on the right, and the other way round. */
    leftOnly: Count.default(0),
    rightOnly: Count.default(0),
  })
  .meta({ id: 'Comparison' });
export type Comparison = z.output<typeof Comparison>;

/** `POST /v1/comparisons`. The batch id makes a repetition harmless. */
export const ComparisonBatch = z
  .object({ batch: z.uuid(), comparisons: z.array(Comparison).min(1).max(1_000) })
  .meta({ id: 'ComparisonBatch' });
export type ComparisonBatch = z.output<typeof ComparisonBatch>;

/** The answer: what was refused, item by item; the rest is durable. */
export const ComparisonReceipt = z
  .object({
    batch: z.string(),
    repeated: z.boolean(),
    accepted: z.int(),
    rejected: z.array(z.object({ pointer: z.string(), code: z.string(), detail: z.string() })),
  })
  .meta({ id: 'ComparisonReceipt' });
export type ComparisonReceipt = z.output<typeof ComparisonReceipt>;
