import { limitCandidateRequests, uniformAt } from '#libs/statistics';
import type { FaultInput } from '../../apps/simulator/src/scenario/schema.js';
import type { Shown } from './harm-limit.js';
import { BASE_RATES, HAIKU, INVARIANT, MODELS, PLACES, SONNET } from './harm-setting.js';

type Slice = { readonly labels?: Readonly<Record<string, string>>; readonly models?: readonly string[] };

/** A change that does harm, before it has a config and a revision. */
export type Fault = {
  readonly name: string;
  readonly signal: string;
  readonly where: Slice;
  readonly how: Pick<FaultInput, 'rate' | 'ratio' | 'units' | 'sticky' | 'from'>;
  readonly shown: Shown;
};

/** Requests of a slice on one target in a second. */
export const requestsOf = (
  { labels = {}, models = Object.keys(MODELS) }: Slice,
  place: (typeof PLACES)[number],
): number => {
  const all: Readonly<Record<string, string>> = { ...place, perSecond: '' };
  if (Object.entries(labels).some(([label, value]) => all[label] !== value)) return 0;
  return place.perSecond * models.reduce((sum, model) => sum + (MODELS[model] ?? 0), 0);
};

/** What is bad by itself, and what is bad because of a fault, are independent causes. */
const shownBy = (
  signal: string,
  { rate, ratio, units = 1 }: { rate?: number; ratio?: number; units?: number },
): Shown => {
  const control = BASE_RATES[signal] ?? 0;
  const candidate = ratio === undefined ? control + (1 - control) * (rate ?? 0) * units : control * ratio;
  return { control, candidate, isInvariant: signal === INVARIANT };
};

const fault = (
  name: string,
  signal: string,
  where: Slice,
  how: { rate?: number; ratio?: number; units?: number },
): Fault => ({
  name,
  signal,
  where,
  how,
  shown: shownBy(signal, how),
});

/** Those that an invariant shows. They go first and alone: the first violation takes back every change it was served by. */
export const MISROUTED: readonly Fault[] = [
  fault('august-misrouting', INVARIANT, { models: [SONNET] }, { rate: 0.008 }),
  fault('august-misrouting-amplified', INVARIANT, { models: [SONNET] }, { rate: 1, units: 0.16 }),
];

/**
 * The rest of 2025. The lost top token was found by comparing pairs of answers to one prompt; fleets have no paired
 * probes yet, so it is a rate here, on the slice that was hit.
 */
export const YEAR_2025: readonly Fault[] = [
  fault('august-routing-as-a-rate', 'misrouted', { models: [SONNET] }, { ratio: 20 }),
  fault(
    'august-scripts-on-tpu',
    'unexpected-script',
    { labels: { platform: 'api', hardware: 'tpu' } },
    { rate: 0.001 },
  ),
  fault('august-top-k', 'top-1-disagreement', { labels: { hardware: 'tpu' }, models: [HAIKU] }, { ratio: 4 }),
];

const SLICES: readonly Slice[] = [
  {},
  { labels: { platform: 'api' } },
  { labels: { platform: 'bedrock' } },
  { labels: { platform: 'vertex' } },
  { labels: { hardware: 'tpu' } },
  { labels: { hardware: 'trainium' } },
  { models: [SONNET] },
  { models: [HAIKU] },
  { labels: { target: 'api-gpu' } },
  { labels: { platform: 'api' }, models: [HAIKU] },
];

/** Harm that even the limit needs longer to see at half exposure takes longer than a benchmark can run. */
const LONGEST_SECONDS = 15;

/** Seconds at half exposure after which the evidence can suffice. */
export const leastSeconds = ({ where, shown }: Pick<Fault, 'where' | 'shown'>): number => {
  const perSecond = PLACES.reduce((sum, place) => sum + requestsOf(where, place), 0);
  return limitCandidateRequests({ ...shown, rho: 0.5, alpha: 1e-3 }) / (perSecond / 2);
};

const draw = (name: string, chance: () => number, latestSeconds: number): Fault => {
  const pick = <T>(items: readonly T[]): T => items[Math.floor(chance() * items.length)] as T;
  const signal = pick(Object.keys(BASE_RATES).filter((each) => each !== INVARIANT));
  const where = pick(SLICES);
  const sticky = chance() < 1 / 3;
  const onset = chance() < 0.5 ? 0 : 1 + (latestSeconds - 1) * chance();
  const from = `${Math.round(onset * 1_000)}ms`;
  if (sticky) {
    // The same users again and again, and for a while after the change was taken back.
    const how = { rate: 0.3 + 0.7 * chance(), units: 0.02 + 0.18 * chance() };
    const forMs = 1_000 + Math.round(3_000 * chance());
    return { ...fault(name, signal, where, how), how: { ...how, from, sticky: { for: `${forMs}ms` } } };
  }
  const most = Math.min(100, 0.5 / (BASE_RATES[signal] ?? 1));
  const ratio = 1.6 * (most / 1.6) ** chance();
  return { ...fault(name, signal, where, { ratio }), how: { ratio, from } };
};

/** So many faults by chance: signal, ratio, slice, onset, and who is hit. */
export const syntheticFaults = (count: number, seed: number, latestSeconds: number): readonly Fault[] => {
  let drawn = 0;
  const chance = (): number => uniformAt(seed, drawn++);
  return Array.from({ length: count }, (_, n) => {
    for (;;) {
      const one = draw(`synthetic-${n + 1}`, chance, latestSeconds);
      if (leastSeconds(one) <= LONGEST_SECONDS) return one;
    }
  });
};
