import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { OutcomeReceipt } from '#libs/contracts';
import { isOnCandidate } from '#libs/domain';
import type { Door } from './http.js';
import { ask } from './http.js';
import type { Reader } from './store-readers.js';

/** Bad outcomes of one signal in each window of 1,000 requests of which some are on this revision. */
export type Fault = {
  readonly config: string;
  readonly revision: number;
  readonly signal: string;
  readonly perWindow: number;
  /** Default: everywhere. */
  readonly target?: string;
};

/** Values of a signal in each window: of so many new units, divided between the arms as the requests are. */
export type Measurement = {
  readonly config: string;
  readonly signal: string;
  readonly perWindow: number;
  /** `n` counts the values of the fleet; equal numbers give equal values. */
  readonly valueOf: (revision: number, n: number) => number;
};

/** Sessions that stay on a revision which their ruleset does not serve any more, in requests of each window. */
export type Sticky = {
  readonly config: string;
  readonly revision: number;
  readonly requests: number;
  readonly units: readonly string[];
};

type Ruleset = {
  readonly flags: Readonly<
    Record<
      string,
      {
        readonly defaultVariant: string;
        readonly metadata?: { readonly stickiness?: string };
        readonly targeting?: { readonly if: readonly [unknown, { readonly fractional: readonly unknown[] }, null] };
      }
    >
  >;
  readonly metadata: { readonly version: string };
};

type Arm = { readonly revision: number; readonly shareBp: number };

/** Requests in each window of each target. */
const REQUESTS = 1_000;
const WINDOW_MS = 200;

const revisionOf = (variant: unknown): number => Number(String(variant).slice(1));

/** Which revisions a ruleset serves of a config, with their shares in basis points. */
export const armsOf = (ruleset: Ruleset, config: string): readonly Arm[] => {
  const flag = ruleset.flags[config];
  if (!flag) return [];
  if (!flag.targeting) return [{ revision: revisionOf(flag.defaultVariant), shareBp: 10_000 }];
  const [, ...splits] = flag.targeting.if[1].fractional as readonly (readonly [string, number])[];
  return splits.map(([variant, shareBp]) => ({ revision: revisionOf(variant), shareBp }));
};

/** A name that begins so, of a unit whose coin puts it on this revision of a config. */
export const unitOn = (ruleset: Ruleset, config: string, revision: number, name: string): string => {
  const [salted, ...splits] = ruleset.flags[config]?.targeting?.if[1].fractional ?? [];
  const [candidate] = splits as readonly (readonly [string, number])[];
  if (candidate === undefined) return name;
  const [rollout] = (salted as { readonly cat: readonly [string] }).cat;
  const wanted = revisionOf(candidate[0]) === revision;
  for (let n = 0; ; n += 1) {
    const unit = `${name}-${n}`;
    if (isOnCandidate(rollout, unit, candidate[1]) === wanted) return unit;
  }
};

/**
 * One instance of each target, over the real HTTP API: it fetches its ruleset, acknowledges it, and reports 1,000
 * requests per round, split exactly as the ruleset says. The same rounds give the same numbers. It holds its last
 * ruleset while no controller answers, and sends each batch again until one has taken it.
 */
export class TinyFleet {
  readonly rulesets = new Map<string, Ruleset>();
  /** Requests in windows that a controller said it took, by target. */
  readonly counted = new Map<string, number>();
  readonly rejected: OutcomeReceipt['rejected'][number][] = [];
  faults: readonly Fault[] = [];
  measurements: readonly Measurement[] = [];
  /** They let go where the flag says `stickiness: drop`. */
  sticky: Sticky | undefined;
  /** What its windows say they measured. Default: they do not say, which stands for every signal. */
  signals: readonly string[] | undefined;
  /** Where targets have their rulesets from, other than from a controller. */
  readers: Readonly<Record<string, Reader>> = {};
  /** Targets whose instances say nothing of the generation they have. */
  silent: readonly string[] = [];
  readonly #door: () => Door;
  readonly #targets: readonly string[];
  #rounds = 0;
  #bad = 0;
  #measured = 0;
  #stopped = false;
  #running: Promise<void> | undefined;

  constructor(door: Door | (() => Door), targets: readonly string[]) {
    this.#door = typeof door === 'function' ? door : () => door;
    this.#targets = targets;
  }

  get rounds(): number {
    return this.#rounds;
  }

  /** Rounds one after the other until `stop`; a controller that does not answer only delays them. */
  start(everyMs = 25): this {
    this.#running = (async () => {
      while (!this.#stopped) {
        await this.round();
        await sleep(everyMs);
      }
    })();
    return this;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  /** The newest ruleset, an acknowledgement and a window of outcomes, for each target. */
  async round(): Promise<void> {
    this.#rounds += 1;
    await Promise.all(this.#targets.map((target) => this.#serve(target)));
  }

  /** What a target serves of a config, as its instance has it. */
  arms(target: string, config: string): readonly Arm[] {
    const ruleset = this.rulesets.get(target);
    return ruleset ? armsOf(ruleset, config) : [];
  }

  async #serve(target: string): Promise<void> {
    await this.#fetch(target);
    const ruleset = this.rulesets.get(target);
    if (!ruleset) return;
    const generation = Number(ruleset.metadata.version);
    if (!this.silent.includes(target))
      await this.#try('PUT', `/v1/targets/${target}/instances/${target}-1`, { generation });
    const body = { batch: randomUUID(), target, instance: `${target}-1`, windows: [this.#window(target, ruleset)] };
    for (let afterStop = 0; afterStop < 100; afterStop += this.#stopped ? 1 : 0) {
      const answer = await this.#try('POST', '/v1/outcomes', body);
      if (answer?.status !== 202) {
        await sleep(20);
        continue;
      }
      const receipt = OutcomeReceipt.parse(answer.json);
      this.rejected.push(...receipt.rejected);
      if (receipt.acceptedWindows > 0) this.counted.set(target, (this.counted.get(target) ?? 0) + REQUESTS);
      return;
    }
  }

  async #fetch(target: string): Promise<void> {
    const reader = this.readers[target];
    if (reader) {
      const text = await reader().catch(() => undefined);
      if (text !== undefined) this.rulesets.set(target, JSON.parse(text) as Ruleset);
      return;
    }
    const held = this.rulesets.get(target)?.metadata.version;
    const headers: Record<string, string> = held === undefined ? {} : { 'if-none-match': `"${held}"` };
    const answer = await this.#try('GET', `/v1/targets/${target}/ruleset`, undefined, headers);
    if (answer?.status === 200) this.rulesets.set(target, answer.json as Ruleset);
  }

  #window(target: string, ruleset: Ruleset) {
    const evaluated = Object.keys(ruleset.flags).flatMap((config) =>
      armsOf(ruleset, config).map(({ revision, shareBp }) => ({
        config,
        revision,
        requests: Math.round((REQUESTS * shareBp) / 10_000),
        units: [0, 1, 2, 3].map((n) => unitOn(ruleset, config, revision, `${target}-${this.#rounds}-${n}`)),
      })),
    );
    const arms = [...evaluated, ...this.#stuck(ruleset, evaluated)];
    const bad = this.faults
      .filter((fault) => (fault.target ?? target) === target)
      .flatMap(({ config, revision, signal, perWindow }) => {
        const isServed = arms.some((arm) => arm.config === config && arm.revision === revision && arm.requests > 0);
        const revisions = { [config]: revision };
        return Array.from({ length: isServed ? perWindow : 0 }, () => ({
          signal,
          revisions,
          unit: unitOn(ruleset, config, revision, `bad-${(this.#bad += 1)}`),
        }));
      });
    const values = this.measurements.flatMap(({ config, signal, perWindow, valueOf }) =>
      armsOf(ruleset, config).flatMap(({ revision, shareBp }) =>
        Array.from({ length: Math.round((perWindow * shareBp) / 10_000) }, () => {
          const n = (this.#measured += 1);
          const unit = unitOn(ruleset, config, revision, `measured-${n}`);
          return { signal, value: valueOf(revision, n), unit, revisions: { [config]: revision } };
        }),
      ),
    );
    const from = new Date(Date.now() - WINDOW_MS).toISOString();
    const generation = Number(ruleset.metadata.version);
    const measured = this.signals ? { signals: this.signals } : {};
    return { from, ms: WINDOW_MS, model: 'haiku', generation, requests: REQUESTS, ...measured, arms, bad, values };
  }

  #stuck(ruleset: Ruleset, evaluated: readonly { readonly config: string; readonly revision: number }[]) {
    if (this.sticky === undefined) return [];
    const { config, revision, requests, units } = this.sticky;
    const isServed = evaluated.some((arm) => arm.config === config && arm.revision === revision);
    const letsGo = ruleset.flags[config]?.metadata?.stickiness === 'drop';
    return isServed || letsGo ? [] : [{ config, revision, requests, units: [...units] }];
  }

  /** Undefined when nobody answers. */
  async #try(method: string, path: string, body?: unknown, headers: Readonly<Record<string, string>> = {}) {
    try {
      return await ask(this.#door(), method, path, { body, headers });
    } catch {
      return undefined;
    }
  }
}
