import type { ScenarioTarget } from './scenario.js';

/** A part of a target's instances and the share that they give the candidate. */
export type Mixed = { readonly shareBp: number; readonly weight: number };

type Asked = { readonly generation: number; readonly shareBp: number; readonly at: number };

/** How one target follows what a rollout asks of it: some time to the first instance, more until the last one. */
export class TargetDelivery {
  readonly #target: Pick<ScenarioTarget, 'instances' | 'applyMs' | 'convergeMs'>;
  #base: readonly Mixed[] = [{ shareBp: 0, weight: 1 }];
  #asked: Asked | null = null;
  #applied = 0;

  constructor(target: Pick<ScenarioTarget, 'instances' | 'applyMs' | 'convergeMs'>) {
    this.#target = target;
  }

  ask(generation: number, shareBp: number, at: number): void {
    this.#base = this.mixAt(at);
    this.#asked = { generation, shareBp, at };
  }

  /** The generation that has just become live, once; undefined when there is nothing new. */
  takeApplied(now: number): number | undefined {
    const asked = this.#asked;
    if (asked === null || this.#applied >= asked.generation || now < asked.at + this.#target.applyMs) return undefined;
    this.#applied = asked.generation;
    return asked.generation;
  }

  get applied(): number {
    return this.#applied;
  }

  /** Live instances, those that evaluate with the newest generation, and the generation that all of them have. */
  acknowledged(now: number): {
    readonly instances: number;
    readonly acknowledged: number;
    readonly generation: number;
  } {
    const done = Math.floor(this.#progress(now) * this.#target.instances);
    const isAll = done === this.#target.instances && this.#asked !== null;
    return {
      instances: this.#target.instances,
      acknowledged: done,
      generation: isAll ? (this.#asked?.generation ?? 0) : 0,
    };
  }

  /** What the instances serve at a time. */
  mixAt(now: number): readonly Mixed[] {
    if (this.#asked === null) return this.#base;
    const progress = this.#progress(now);
    const fresh = { shareBp: this.#asked.shareBp, weight: progress };
    if (progress >= 1) return [fresh];
    if (progress <= 0) return this.#base;
    return [...this.#base.map(({ shareBp, weight }) => ({ shareBp, weight: weight * (1 - progress) })), fresh];
  }

  /** Share of the target's requests that the candidate serves, 0 to 1. */
  shareAt(now: number): number {
    return this.mixAt(now).reduce((sum, { shareBp, weight }) => sum + (weight * shareBp) / 10_000, 0);
  }

  #progress(now: number): number {
    if (this.#asked === null) return 0;
    const since = now - this.#asked.at - this.#target.applyMs;
    if (since < 0) return 0;
    return this.#target.convergeMs === 0 ? 1 : Math.min(1, since / this.#target.convergeMs);
  }
}
