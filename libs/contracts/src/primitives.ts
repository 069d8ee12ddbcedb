import { z } from 'zod';

/** Names of configs, signals, plans, targets, tracks: lower case, digits, dots and dashes. */
export const Name = z
  .string()
  .min(1)
  .max(100)
  .regex(/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/, 'use lower-case letters, digits, dots and dashes, like router.context')
  // Every JavaScript object inherits a field of this name, so a lookup by it would find something where nothing is.
  .refine((name) => name !== 'constructor', 'this name is reserved: use another');

/** How traffic is split: by sticky key, by request, or by whole processes. */
export const Assignment = z.enum(['unit', 'request', 'instance']);
export type Assignment = z.output<typeof Assignment>;

/** Why something is done. Permanent: it stays in the log for ever, so no secrets and no message text. */
export const Reason = z.string().trim().min(3).max(500);

const DURATION = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/;
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Reads `90s`, `5m`, `1.5h`, `250ms` or `2d` as milliseconds; undefined when it is none of these. */
export const parseDuration = (text: string): number | undefined => {
  const match = DURATION.exec(text.trim());
  const unit = match?.[2];
  return match && unit ? Math.round(Number(match[1]) * (UNIT_MS[unit] ?? Number.NaN)) : undefined;
};

const DURATION_WORDS = 'write a duration such as 30s, 5m, 1.5h or 2d';
const LONGEST_MS = 366 * 24 * 3_600_000;

/** A duration in a manifest; its output is in milliseconds. */
export const Duration = z
  .string({ error: ({ input }) => (input === undefined ? undefined : DURATION_WORDS) })
  .transform((text, context) => {
    const ms = parseDuration(text);
    if (ms === undefined || ms > LONGEST_MS) {
      context.addIssue({ code: 'custom', message: ms === undefined ? DURATION_WORDS : 'write at most 366d' });
      return z.NEVER;
    }
    return ms;
  });

/** Reads `1%`, `0.5%` or a number of basis points as basis points; undefined when out of 0..10000 or finer than one. */
export const parseShare = (share: string | number): number | undefined => {
  const percent = typeof share === 'string' ? /^(\d+(?:\.\d+)?)%$/.exec(share.trim())?.[1] : undefined;
  const bp = typeof share === 'number' ? share : percent === undefined ? Number.NaN : Number(percent) * 100;
  const rounded = Math.round(bp);
  return Number.isFinite(bp) && Math.abs(bp - rounded) < 1e-6 && rounded >= 0 && rounded <= 10_000
    ? rounded
    : undefined;
};

const SHARE_WORDS = 'write a share from 0% to 100% in steps of 0.01%, such as 1% or 0.5%';

/** A share of traffic; its output is in basis points. */
export const Share = z
  .union([z.string(), z.number()], { error: ({ input }) => (input === undefined ? undefined : SHARE_WORDS) })
  .transform((share, context) => {
    const bp = parseShare(share);
    if (bp === undefined) {
      context.addIssue({ code: 'custom', message: SHARE_WORDS });
      return z.NEVER;
    }
    return bp;
  });

/** `1%`, `0.5%`, `100%`: how a share in basis points is shown and how stages are named. */
export const showShare = (bp: number): string => `${Number((bp / 100).toFixed(2))}%`;

/** A chance as a share, to three digits: `0.095%`. */
export const showChance = (chance: number): string => `${Number((chance * 100).toPrecision(3))}%`;
