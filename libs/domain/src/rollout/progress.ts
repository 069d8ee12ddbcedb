import { z } from 'zod';
import { Leftover, RecordedParity, RecordedVerdict } from '../events/index.js';

/** As it was kept: before there were signals of values, none had any. */
const KeptVerdict = RecordedVerdict.extend({ values: RecordedVerdict.shape.values.default(null) });

/** What a rollout waits for and how its signals stand, as of its newest assessment. */
export const Progress = z.object({
  /** Epoch ms. */
  at: z.number(),
  /** Version of the rollout's stream that was assessed; what it waited for holds for that version only. */
  version: z.number(),
  waitingFor: z.array(z.string()).readonly(),
  bakedMs: z.record(z.string(), z.number()).readonly(),
  /** Track → the stage that its time is of; missing in what was kept before there was such a thing. */
  bakedIn: z.record(z.string(), z.string().nullable()).readonly().optional(),
  verdicts: z.array(KeptVerdict).readonly(),
  /** Default: no track waits for any. */
  parity: z.array(RecordedParity).readonly().optional(),
  /** Target → what still comes to a withdrawn candidate there; default: nothing does. */
  leftovers: z.record(z.string(), Leftover).readonly().optional(),
  /** Target → instances that were live when it was asked, and have stopped talking; default: none. */
  silent: z.record(z.string(), z.array(z.string()).readonly()).readonly().optional(),
});
export type Progress = z.output<typeof Progress>;

/** A stored assessment; undefined where another version wrote what this one cannot read, until the next assessment. */
export const readProgress = (stored: unknown): Progress | undefined => Progress.safeParse(stored).data;
