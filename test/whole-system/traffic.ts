import { OutcomeBatch, type BadOutcome, type OutcomeWindow } from '#libs/contracts';
import type { JsonObject } from '#libs/kernel';
import { armsOf } from '#test/kit/tiny-fleet';
import { CONFIGS, TARGETS } from './setting.js';

/** Part of every pseudonym and of what users wrote: if any event holds it, it has leaked. */
export const SECRET = '~secret~';

const UNITS = Array.from({ length: 60 }, (_, index) => `${SECRET}u${index}`);
const REQUESTS = 16;
const USUALLY_BAD = 0.02;
const BROKEN_BAD = 0.7;

/** Which revision of a config is bad, in which signal, on one target or (null) on all. */
export type Fault = {
  readonly config: string;
  readonly revision: number;
  readonly signal: string;
  readonly target: string | null;
};

/** How a ruleset splits a config: a unit whose place is below the share is on the candidate. */
type Split = {
  readonly config: string;
  readonly candidate: number;
  readonly control: number;
  readonly shareBp: number;
  /** Place of each unit on the ring, in basis points; null: a fresh coin for each request. */
  readonly places: Int16Array | null;
};

/** A ruleset as an instance holds it. */
export type Held = {
  readonly generation: number;
  readonly ruleset: JsonObject;
  readonly splits: readonly Split[];
};

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
};

export const instancesOf = (): Instance[] =>
  TARGETS.flatMap(({ target, instances }) =>
    instances.map((letter): Instance => {
      const nothing = { held: undefined, file: undefined };
      return { target, name: `${target}-${letter}`, isUp: true, lag: 0, ...nothing, outbox: [] };
    }),
  );

/** The same unit always lies at the same place of a rollout. */
const placesOf = (salt: string): Int16Array =>
  Int16Array.from(UNITS, (unit) => {
    let hash = 0x811c9dc5;
    for (const letter of `${salt}:${unit}`) hash = Math.imul(hash ^ (letter.codePointAt(0) ?? 0), 0x01000193);
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
    return ((hash ^ (hash >>> 13)) >>> 0) % 10_000;
  });

const saltOf = (ruleset: JsonObject, config: string): string => {
  const text = JSON.stringify((ruleset['flags'] as JsonObject)[config]);
  return /"cat":\["([^"]*)"/.exec(text)?.[1] ?? '';
};

/** Reads a ruleset as a client does. */
export const heldOf = (generation: number, ruleset: JsonObject): Held => ({
  generation,
  ruleset,
  splits: CONFIGS.flatMap(({ config, assignment }): Split[] => {
    const [first, second] = armsOf(ruleset as Parameters<typeof armsOf>[0], config);
    if (!first) return [];
    if (!second) return [{ config, candidate: first.revision, control: first.revision, shareBp: 10_000, places: null }];
    const places = assignment === 'unit' ? placesOf(saltOf(ruleset, config)) : null;
    return [{ config, candidate: first.revision, control: second.revision, shareBp: first.shareBp, places }];
  }),
});

/** What requests come to, drawn from a run's chance. */
export class Traffic {
  readonly faults: Fault[] = [];
  #batches = 0;
  #requests = 0;

  constructor(private readonly chance: () => number) {}

  /** One window of one instance: what it served since the last round, with the ruleset it had. */
  window({ held, target }: Instance, model: string, now: number, ms: number): OutcomeWindow | undefined {
    if (!held) return undefined;
    const { splits, generation } = held;
    const arms = splits.flatMap(({ config, candidate, control }) =>
      (candidate === control ? [candidate] : [candidate, control]).map((revision) => ({
        config,
        revision,
        requests: 0,
        units: [] as string[],
        unassigned: 0,
      })),
    );
    const bad: BadOutcome[] = [];
    for (let request = 0; request < REQUESTS; request += 1) {
      const index = Math.floor(this.chance() * UNITS.length);
      const unit = UNITS[index] ?? '';
      const revisions: Record<string, number> = {};
      for (const split of splits) {
        const place = split.places === null ? this.chance() * 10_000 : (split.places[index] ?? 0);
        const revision = place < split.shareBp ? split.candidate : split.control;
        revisions[split.config] = revision;
        const arm = arms.find((each) => each.config === split.config && each.revision === revision);
        if (!arm) continue;
        arm.requests += 1;
        if (arm.units.length < 4 && !arm.units.includes(unit)) arm.units.push(unit);
      }
      const signal = this.#badSignal(target, revisions);
      if (signal === undefined) continue;
      this.#requests += 1;
      bad.push({ signal, unit, request: `${SECRET}r${this.#requests}`, revisions });
    }
    return {
      from: new Date(now - ms).toISOString(),
      ms,
      model,
      generation,
      requests: REQUESTS,
      arms,
      bad,
      values: [],
      pairs: [],
    };
  }

  /** In which signal a request is bad, if it is: what a broken revision does to it comes first. */
  #badSignal(target: string, revisions: Readonly<Record<string, number>>): string | undefined {
    const draw = this.chance();
    for (const fault of this.faults) {
      const isHit = revisions[fault.config] === fault.revision && (fault.target ?? target) === target;
      if (isHit && draw < BROKEN_BAD) return fault.signal;
    }
    if (draw >= USUALLY_BAD) return undefined;
    return draw < USUALLY_BAD / 2 ? 'script-errors' : 'refusals';
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
