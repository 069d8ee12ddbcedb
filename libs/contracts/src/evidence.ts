import { z } from 'zod';
import { LeftoverView, ParityView, VerdictView } from './rollouts.js';

const Moment = z.string();
const LogE = z.number();

/** How one slice stands for a signal. */
const ExplainedSlice = z.object({
  target: z.string(),
  model: z.string(),
  /** Requests are values or pairs of signals that are measured so. */
  candidateBad: z.number(),
  candidateRequests: z.number(),
  controlBad: z.number(),
  controlRequests: z.number(),
  /** Natural logarithm of the slice's e-value, now and at its highest, and of what proves harm by this slice alone. */
  logE: LogE,
  maxLogE: LogE,
  logBound: z.number(),
  proved: z.boolean(),
});

/** What is taken back together: the whole rollout (track null) or one track. */
const ExplainedPool = z.object({
  track: z.string().nullable(),
  logE: LogE,
  maxLogE: LogE,
  logBound: z.number(),
  /** When the bound was reached; null where it was not. */
  reachedAt: Moment.nullable(),
  /** The e-value over time: at most a hundred looks, of each span the one with the highest. */
  course: z.array(z.object({ look: z.int(), at: Moment, logE: LogE })),
  /** Bad outcomes that counted, by time; of signals of values, how many values. */
  windows: z.array(z.object({ from: Moment, until: Moment, candidate: z.number(), control: z.number() })),
  slices: z.array(ExplainedSlice),
  /** How many slices are left out because fewer units than `below` were seen there; absent: none. */
  hidden: z.object({ slices: z.int(), below: z.int() }).optional(),
});

const ExplainedSignal = z.object({
  signal: z.string(),
  title: z.string(),
  type: z.string(),
  shadow: z.boolean(),
  harm: z.number(),
  /** The direction that is harm. */
  worse: z.enum(['higher', 'lower']),
  /** Where its numbers come from. */
  source: z.string(),
  verdicts: z.array(VerdictView),
  pools: z.array(ExplainedPool),
  /** The ratio that it must be shown to be below to go on; null asks for no proof. */
  margins: z.array(z.object({ track: z.string(), stage: z.string(), tolerate: z.number().nullable() })),
  /** Until when it was measured without a gap; null: never. */
  freshness: z.array(z.object({ target: z.string(), measuredUntil: Moment.nullable() })),
});

/** `GET /v1/rollouts/{id}/evidence`: what its verdicts rest on. */
export const EvidenceView = z
  .object({
    rollout: z.string(),
    config: z.string(),
    revision: z.int(),
    alpha: z.number(),
    assignment: z.string(),
    /** Looks that saw something, the number of the last of them, and the digest chained over all of them. */
    looks: z.int(),
    look: z.int(),
    digest: z.string(),
    /** Since when the looks of an hour are one; null while they are as they were folded. */
    compactedAt: Moment.nullable(),
    /** Ratios that the bets are spread over, and those of going on as parts of a margin. */
    grid: z.array(z.number()),
    promotionGrid: z.array(z.number()),
    signals: z.array(ExplainedSignal),
    /** What tracks wait for of others, with what was compared. */
    parity: z
      .array(
        ParityView.extend({
          comparisons: z.array(
            z.object({
              left: z.string(),
              right: z.string(),
              pairs: z.number(),
              leftOnly: z.number(),
              rightOnly: z.number(),
              /** When it was done last. */
              lastAt: Moment,
            }),
          ),
        }),
      )
      .default([]),
    /** Of a rollout that is taken back, or was: what still came to its revision after it was asked back. */
    leftovers: z.array(LeftoverView.extend({ target: z.string() })).default([]),
  })
  .meta({ id: 'EvidenceView' });
export type EvidenceView = z.output<typeof EvidenceView>;

/** `GET /v1/rollouts/{id}/looks`: the windows as they were folded, from which every verdict can be computed again. */
export const LookList = z
  .object({
    items: z.array(
      z.object({
        look: z.int(),
        at: Moment,
        /** SHA-256 of `cells`, in hexadecimal digits. */
        digest: z.string(),
        /** Canonical JSON (RFC 8785): counts by signal, slice and share. */
        cells: z.string(),
        /**
         * Of a look that stands for several, which it does some time after the end of its rollout: since when, for how
         * many, and the digest chained over all looks up to the last of them, as verdicts name it. Null: as it was folded.
         */
        compacted: z.object({ at: Moment, looks: z.int(), chain: z.string() }).nullable(),
      }),
    ),
    /** Give it as `after` for the next page; null after the last. */
    next: z.int().nullable(),
  })
  .meta({ id: 'LookList' });
export type LookList = z.output<typeof LookList>;
