import { Clock, Ids } from '#libs/kernel';
import { T0 } from './specification.js';

/** A clock that only moves when it is told to. Epoch ms. */
export class VirtualClock extends Clock {
  #now: number;

  constructor(start: number = T0) {
    super();
    this.#now = start;
  }

  now(): number {
    return this.#now;
  }

  advance(ms: number): void {
    this.#now += ms;
  }
}

/** Identifiers in order: `id-1`, `id-2` … */
export class CountedIds extends Ids {
  #last = 0;

  constructor(private readonly prefix = 'id') {
    super();
  }

  next(): string {
    this.#last += 1;
    return `${this.prefix}-${this.#last}`;
  }
}
