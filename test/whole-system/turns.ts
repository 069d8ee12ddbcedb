/** One life of a controller: from its start until it is killed. What a dead one still waits for never comes. */
export type Life = { readonly name: string; isAlive: boolean };

type Waiting = { readonly life: Life; readonly point: string; readonly isSent: boolean; readonly go: () => void };

const nothing = (): undefined => undefined;

/** Resolves when everybody who can go on has gone on: promises run before immediates. */
const everybodyWaits = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/**
 * Who goes next. Whatever a controller does outside its own memory waits here first, so that a seed alone decides in
 * which order things happen, and a controller can die between any two of them.
 */
export class Turns {
  #waiting: Waiting[] = [];

  constructor(private readonly chance: () => number) {}

  get size(): number {
    return this.#waiting.length;
  }

  /** Something that changes what others see. It waits before it happens, and its answer waits before it arrives. */
  async act<T>(life: Life, point: string, effect: () => Promise<T>): Promise<T> {
    await this.#pass(life, point, true);
    const result = await effect();
    await this.#pass(life, point, false);
    return result;
  }

  /** Something that is read. What was read may be old when it arrives; mostly it arrives at once. */
  async ask<T>(life: Life, point: string, read: () => Promise<T>): Promise<T> {
    const result = await read();
    if (!life.isAlive || this.chance() < 0.3) await this.#pass(life, point, false);
    return result;
  }

  /** Lets everybody come to where they wait. */
  async rest(): Promise<void> {
    await everybodyWaits();
  }

  /** Lets one of those who wait go on, until everybody waits again. */
  async next(): Promise<void> {
    const [next] = this.#waiting.splice(Math.floor(this.chance() * this.#waiting.length), 1);
    next?.go();
    await everybodyWaits();
  }

  /** Lets all of those who wait now go on, in any order. */
  async round(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (let left = waiting.length; left > 0; left -= 1) {
      const [next] = waiting.splice(Math.floor(this.chance() * left), 1);
      next?.go();
    }
    await everybodyWaits();
  }

  /** The life ends where it is. What it has sent already may still arrive, late. */
  end(life: Life): void {
    life.isAlive = false;
    this.#waiting = this.#waiting.filter((waiting) => waiting.life !== life || (waiting.isSent && this.chance() < 0.5));
  }

  async #pass(life: Life, point: string, isSent: boolean): Promise<void> {
    if (!life.isAlive) return new Promise(nothing);
    return new Promise((go) => this.#waiting.push({ life, point, isSent, go }));
  }
}
