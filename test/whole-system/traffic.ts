import { OutcomeBatch, type BadOutcome, type OutcomeWindow } from '#libs/contracts';
import type { JsonObject } from '#libs/kernel';
import { bucketOf, Meter, noTally, type Tally } from './metrics.js';
import { CONFIGS, COUNTED, DELAYED, TARGETS } from './setting.js';
import { splitOf, type Split } from './splits.js';

/** Part of every pseudonym and of what users wrote: if any event holds it, it has leaked. */
export const SECRET = '~secret~';

const UNITS = Array.from({ length: 60 }, (_, index) => `${SECRET}u${index}`);
const REQUESTS = 10;
/** What runs before the first change. */
const FIRST_REVISION = 1;
const USUALLY_BAD = 0.01;
const BROKEN_BAD = 0.7;
/** In each of these a request is bad now and then. */
const USUALLY = ['script-errors', 'refusals', 'complaints', 'timeouts', 'overloads'];
const ALL_WELL: ReadonlySet<string> = new Set();
const AS_METRICS: ReadonlySet<string> = new Set(COUNTED.map(({ signal }) => signal));

/** Which revision of a config is bad, in which signal, on one target or (null) on all. */
export type Fault = {
  readonly config: string;
  readonly revision: number;
  readonly signal: string;
  readonly target: string | null;
};

/** A ruleset as an instance holds it. */
export type Held = {
  readonly generation: number;
  readonly ruleset: JsonObject;
  readonly splits: readonly Split[];
};

/** A bad outcome that is not known yet. */
type Later = { readonly dueAt: number; readonly model: string; readonly generation: number; readonly bad: BadOutcome };

/** An export that nobody has taken yet, with what served the requests that it tells of. */
export type Export = { readonly body: Buffer; readonly generation: number; readonly arms: readonly string[] };

export type Instance = {
  readonly target: string;
  readonly name: string;
  isUp: boolean;
  /** It takes no newer ruleset for this many rounds. */
  lag: number;
  /** What it evaluates with, and what it finds on its disk when it comes back. */
  held: Held | undefined;
  file: Held | undefined;
  /** What it saw and nobody has taken yet. */
  outbox: OutcomeBatch[];
  later: Later[];
  /** Of its process, where anything is counted by metrics. */
  meter: Meter | undefined;
  /** Revisions that served since its last export, each after its config. */
  readonly arms: Set<string>;
  exports: Export[];
};

export const instancesOf = (): Instance[] =>
  TARGETS.flatMap(({ target, instances }) =>
    instances.map((letter): Instance => {
      const nothing = { held: undefined, file: undefined, meter: undefined };
      const empty = { outbox: [], later: [], exports: [], arms: new Set<string>() };
      return { target, name: `${target}-${letter}`, isUp: true, lag: 0, ...nothing, ...empty };
    }),
  );

/** Half of them export sums, and half of them name the version of the ruleset, in all combinations; one names no variant. */
export const meterOf = ({ target, name }: Instance, now: number): Meter => {
  const letter = name.at(-1) ?? '';
  const style = { isDelta: 'bd'.includes(letter), namesVersion: 'ab'.includes(letter), namesArms: letter !== 'c' };
  return new Meter({ 'headgate.target': target, 'service.instance.id': name }, style, now);
};

/** Reads a ruleset as a client does. */
export const heldOf = (generation: number, ruleset: JsonObject): Held => ({
  generation,
  ruleset,
  splits: CONFIGS.flatMap(({ config }) => splitOf(ruleset, config, UNITS) ?? []),
});

/** The same for one request of an instance, whose user is the unit of this number. */
const isOnCandidate = ({ drawn, coins, shareBp }: Split, unit: number, name: string, coin: () => number): boolean => {
  if (drawn) return drawn.includes(name);
  return coins ? coins[unit] === true : coin() * 10_000 < shareBp;
};

type Arm = {
  readonly config: string;
  readonly revision: number;
  requests: number;
  readonly units: string[];
  unassigned: number;
};
type Served = { readonly config: string; readonly revision: number; readonly tally: Tally };

/** What an instance serves of each config in one window. */
class Arms {
  readonly #arms: readonly (readonly [candidate: Arm & Served, control: Arm & Served])[];

  constructor(
    private readonly splits: readonly Split[],
    private readonly instance: Instance,
  ) {
    this.#arms = splits.map(({ config, candidate, control }) => {
      const armOf = (revision: number) => {
        return { config, revision, requests: 0, units: [] as string[], unassigned: 0, tally: noTally() };
      };
      const own = armOf(candidate);
      return [own, candidate === control ? own : armOf(control)];
    });
  }

  /** Serves one request of a user, each config by its own coin. */
  serve(index: number, unit: string, coin: () => number): readonly Served[] {
    return this.splits.map((split, place) => {
      const [candidate, control] = this.#arms[place] ?? [];
      const arm = isOnCandidate(split, index, this.instance.name, coin) ? candidate : control;
      if (!arm) throw new Error(`${split.config} has no arms.`);
      arm.requests += 1;
      if (arm.units.length < 4 && !arm.units.includes(unit)) arm.units.push(unit);
      return arm;
    });
  }

  /** As outcomes tell of them: an instance that was drawn serves one of them only. */
  told(): Arm[] {
    return this.#arms
      .flatMap(([candidate, control]) => (candidate === control ? [candidate] : [candidate, control]))
      .filter(({ requests }) => requests > 0)
      .map(({ config, revision, requests, units, unassigned }) => ({ config, revision, requests, units, unassigned }));
  }

  /** Those of configs that are being changed, or were: at 100% without a holdback there is only one of them. */
  changed(): readonly Served[] {
    return this.#arms.flatMap(([candidate, control]) => {
      if (candidate !== control) return [candidate, control];
      return candidate.revision === FIRST_REVISION ? [] : [candidate];
    });
  }
}

/** What requests come to, drawn from a run's chance. */
export class Traffic {
  readonly faults: Fault[] = [];
  #batches = 0;
  #requests = 0;

  /** `served`: told how many requests each arm served, by `target config revision`. */
  constructor(
    private readonly chance: () => number,
    private readonly served: (arm: string, requests: number) => void,
  ) {}

  /** One window of one instance: what it served since the last round, with the ruleset it had. */
  window(instance: Instance, model: string, now: number, ms: number): OutcomeWindow | undefined {
    const { held, target } = instance;
    if (!held) return undefined;
    const { splits, generation } = held;
    const arms = new Arms(splits, instance);
    const everything = noTally();
    const bad: BadOutcome[] = [];
    for (let request = 0; request < REQUESTS; request += 1) {
      const index = Math.floor(this.chance() * UNITS.length);
      const unit = UNITS[index] ?? '';
      const served = arms.serve(index, unit, this.chance);
      const signals = this.#badSignals(target, served);
      if (instance.meter) this.#meter(signals, [everything, ...served.map(({ tally }) => tally)]);
      if (signals.size === 0) continue;
      this.#requests += 1;
      const revisions = Object.fromEntries(served.map(({ config, revision }) => [config, revision]));
      const of = { unit, request: `${SECRET}r${this.#requests}`, revisions };
      for (const signal of signals) {
        if (AS_METRICS.has(signal)) continue;
        if (signal === DELAYED.signal) instance.later.push(this.#later({ signal, ...of }, model, generation, now));
        else bad.push({ signal, ...of });
      }
    }
    this.#tell(instance, { model, generation }, { everything, arms }, now);
    const from = new Date(now - ms).toISOString();
    return { from, ms, model, generation, requests: REQUESTS, arms: arms.told(), bad, values: [], pairs: [] };
  }

  /** What has become known by now of requests that were served before, in windows that have none of their own. */
  late(instance: Instance, now: number, ms: number): readonly OutcomeWindow[] {
    const due = instance.later.filter(({ dueAt }) => dueAt <= now);
    if (due.length === 0) return [];
    instance.later = instance.later.filter(({ dueAt }) => dueAt > now);
    const from = new Date(now - ms).toISOString();
    const windows = new Map<string, OutcomeWindow>();
    for (const { model, generation, bad } of due) {
      const known = windows.get(`${model} ${generation}`)?.bad ?? [];
      const window = { from, ms, model, generation, requests: 0, arms: [], values: [], pairs: [] };
      windows.set(`${model} ${generation}`, { ...window, bad: [...known, bad] });
    }
    return [...windows.values()];
  }

  #later(bad: BadOutcome, model: string, generation: number, now: number): Later {
    return { dueAt: now + this.chance() * DELAYED.mostMs, model, generation, bad };
  }

  /** Counts a request that is bad in these signals. */
  #meter(signals: ReadonlySet<string>, [everything, ...served]: readonly Tally[]): void {
    const firstTokenMs = (signals.has('first-token') ? 8 : 1) * (60 + 240 * this.chance());
    if (everything) everything.requests += 1;
    if (everything && signals.has('overloads')) everything.bad += 1;
    const bucket = bucketOf(firstTokenMs);
    for (const tally of served) {
      tally.requests += 1;
      tally.bad += signals.has('timeouts') ? 1 : 0;
      tally.firstTokens[bucket] = (tally.firstTokens[bucket] ?? 0) + 1;
    }
  }

  #tell(
    { meter, target, arms: exported }: Instance,
    of: { readonly model: string; readonly generation: number },
    { everything, arms }: { readonly everything: Tally; readonly arms: Arms },
    now: number,
  ): void {
    if (!meter) return;
    meter.add({ ...of, arm: null }, everything, now);
    const served = arms.changed();
    for (const { config, revision, tally } of served) {
      // Without variants a request is told of once, whatever served it.
      if (!meter.style.namesArms && config !== served[0]?.config) continue;
      meter.add({ ...of, arm: { config, revision } }, tally, now);
      if (tally.requests > 0) exported.add(`${config} ${revision}`);
      this.served(`${target} ${config} ${revision}`, tally.requests);
    }
  }

  /** In which signals a request is bad: what a broken revision does to it, and what happens anyhow. */
  #badSignals(target: string, served: readonly Served[]): ReadonlySet<string> {
    const draw = this.chance();
    const isHitBy = ({ config, revision, target: on }: Fault): boolean =>
      (on ?? target) === target && served.some((arm) => arm.config === config && arm.revision === revision);
    const hits = draw < BROKEN_BAD ? this.faults.filter(isHitBy) : [];
    const usual =
      this.chance() < USUALLY_BAD * USUALLY.length ? USUALLY[Math.floor(this.chance() * USUALLY.length)] : undefined;
    if (hits.length === 0 && usual === undefined) return ALL_WELL;
    return new Set([...hits.map(({ signal }) => signal), ...(usual === undefined ? [] : [usual])]);
  }

  /** A batch to be sent, perhaps with what no schema knows: what a user wrote. */
  batch({ target, name }: Instance, windows: readonly OutcomeWindow[]): OutcomeBatch {
    this.#batches += 1;
    const batch = `00000000-0000-4000-8000-${String(this.#batches).padStart(12, '0')}`;
    const whole: OutcomeBatch = { batch, target, instance: name, windows: [...windows] };
    if (this.chance() > 0.03) return whole;
    const chatty = whole.windows.map((window) => ({
      ...window,
      prompt: `${SECRET} what a user wrote`,
      bad: window.bad.map((bad) => ({ ...bad, text: `${SECRET} what was answered` })),
    }));
    return OutcomeBatch.parse({ ...whole, windows: chatty });
  }
}
