import { z } from 'zod';

const Label = z.string().min(1).max(100);

/**
 * Attributes that say where a point belongs. Left out, they are `headgate.target`, `gen_ai.request.model`,
 * `feature_flag.key`, `feature_flag.result.variant`, `feature_flag.version` and `headgate.bucket`; of Prometheus the
 * same with underscores for dots.
 */
export const Labels = z.strictObject({
  target: Label.optional(),
  model: Label.optional(),
  config: Label.optional(),
  variant: Label.optional(),
  generation: Label.optional(),
  bucket: Label.optional(),
});
export type Labels = z.output<typeof Labels>;
