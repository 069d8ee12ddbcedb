import type { OutcomeWindow } from '#libs/contracts';
import type { Measured } from './measuring.js';

/** One request as it was really served. */
export type Served = {
  readonly model: string;
  readonly generation: number;
  /** Config → revision, in the order of the scenario's configs; 0 where no revision of it is known. */
  readonly revisions: readonly number[];
  /** Config by config: a rule chose the revision, so who was served proves something. */
  readonly ruled: readonly boolean[];
  /** Undefined: the request had no targeting key. */
  readonly unit: string | undefined;
  readonly request: string | undefined;
  readonly bad: readonly string[];
  readonly values: readonly Measured[];
};

type Arm = { requests: number; unassigned: number; readonly units: string[] };
type Open = {
  readonly model: string;
  readonly generation: number;
  readonly from: number;
  to: number;
  requests: number;
  readonly arms: readonly Map<number, Arm>[];
  readonly bad: OutcomeWindow['bad'];
  readonly values: OutcomeWindow['values'];
};
type Sample = { readonly seen: Set<string>; lastUsed: number };

/** Outcomes of one instance, gathered per model and generation until they are taken. */
export type Windows = {
  /** @param from @param to span of the tick the request belongs to, ms since 1970 */
  readonly add: (served: Served, from: number, to: number) => void;
  /** Everything gathered so far, ready to be sent. */
  readonly take: () => OutcomeWindow[];
};

/** Units named for each config, revision, model and generation; they prove activation, so more would be wasted. */
export const UNIT_SAMPLE = 64;
/** As many bad outcomes, and as many values. */
const MOST_ITEMS = 5_000;
/** A generation that was not served for this long does not come back. */
const FORGET_MS = 10_000;
const SHORTEST_MS = 100;

type Kind = {
  readonly config: number;
  readonly revision: number;
  readonly model: string;
  readonly generation: number;
};
type Named = (kind: Kind, now: number) => Sample;

const createSamples = (): Named => {
  const samples = new Map<string, Sample>();
  return ({ config, revision, model, generation }, now) => {
    // The same revision under another generation may be another attempt, which counts units of its own.
    const key = `${config}/${revision}/${model}/${generation}`;
    const known = samples.get(key);
    if (known) {
      known.lastUsed = now;
      return known;
    }
    for (const [old, { lastUsed }] of samples) if (now - lastUsed > FORGET_MS) samples.delete(old);
    const fresh: Sample = { seen: new Set(), lastUsed: now };
    samples.set(key, fresh);
    return fresh;
  };
};

const addOutcomes = (
  { bad, values }: Pick<Open, 'bad' | 'values'>,
  served: Served,
  measured: readonly string[],
  revisions: Readonly<Record<string, number>>,
): void => {
  const unit = served.unit === undefined ? {} : { unit: served.unit };
  const request = served.request === undefined ? {} : { request: served.request };
  for (const signal of served.bad) bad.push({ signal, ...unit, ...request, revisions });
  // Whoever has no key is on control for want of one: no coin was thrown for that value.
  if (served.unit === undefined && served.request === undefined) return;
  for (const { index, value } of served.values)
    values.push({ signal: measured[index] ?? '', value, ...unit, count: 1, revisions });
};

/**
 * @param configs names, in the order of `Served.revisions`
 * @param signals what every request is checked for
 * @param measured names of what is measured, in the order of the scenario's values
 */
export const createWindows = (
  configs: readonly string[],
  signals: readonly string[],
  measured: readonly string[] = [],
): Windows => {
  const open = new Map<string, Open>();
  const named = createSamples();
  let closed: OutcomeWindow[] = [];

  const close = ({ from, to, model, generation, requests, arms, bad, values }: Open): OutcomeWindow => ({
    from: new Date(from).toISOString(),
    ms: Math.max(SHORTEST_MS, Math.round(to - from)),
    model,
    generation,
    requests,
    signals: [...signals, ...measured],
    arms: arms.flatMap((revisions, index) =>
      [...revisions].map(([revision, arm]) => ({ config: configs[index] ?? '', revision, ...arm })),
    ),
    bad,
    values,
    pairs: [],
  });

  const count = (window: Open, served: Served, to: number): void => {
    for (const [config, revision] of served.revisions.entries()) {
      if (revision === 0) continue;
      const revisions = window.arms[config];
      if (!revisions) continue;
      let arm = revisions.get(revision);
      if (!arm) revisions.set(revision, (arm = { requests: 0, unassigned: 0, units: [] }));
      arm.requests += 1;
      if (served.unit === undefined) arm.unassigned += 1;
      else if (served.ruled[config] === true) {
        const { seen } = named({ config, revision, model: served.model, generation: served.generation }, to);
        if (seen.size < UNIT_SAMPLE && !seen.has(served.unit)) {
          seen.add(served.unit);
          arm.units.push(served.unit);
        }
      }
    }
  };

  const windowOf = ({ model, generation }: Served, from: number, to: number): Open => {
    const key = `${generation}/${model}`;
    let window = open.get(key);
    if (window && Math.max(window.bad.length, window.values.length + measured.length) >= MOST_ITEMS) {
      closed.push(close(window));
      window = undefined;
    }
    if (!window) {
      const arms = configs.map(() => new Map<number, Arm>());
      window = { model, generation, from, to, requests: 0, arms, bad: [], values: [] };
      open.set(key, window);
    }
    window.to = to;
    return window;
  };

  const add = (served: Served, from: number, to: number): void => {
    const window = windowOf(served, from, to);
    window.requests += 1;
    count(window, served, to);
    if (served.bad.length === 0 && served.values.length === 0) return;
    const revisions = Object.fromEntries(
      served.revisions.flatMap((revision, index) => (revision === 0 ? [] : [[configs[index] ?? '', revision]])),
    );
    addOutcomes(window, served, measured, revisions);
  };

  const take = (): OutcomeWindow[] => {
    const taken = [...closed, ...[...open.values()].map(close)];
    closed = [];
    open.clear();
    return taken;
  };
  return { add, take };
};
