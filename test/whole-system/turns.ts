/** One life of a controller: from its start until it is killed. What a dead one still waits for never comes. */
export type Life = { readonly name: string; isAlive: boolean };

type Waiting = {
  readonly life: Life;
  readonly point: string;
  readonly isSent: boolean;
  readonly go: () => void;
  /** As long as this holds it is on its way, whatever else goes on. */
  isOnItsWay: () => boolean;
};

const nothing = (): undefined => undefined;
const never = (): boolean => false;
/** What is late arrives up to this much later, in ms: longer than a lease. */
const LATE_MS = 12_000;
const SELDOM = 0.015;
const OFTEN = 0.1;

/** Resolves when everybody who can go on has gone on: Node runs all promises before the next tick. */
const everybodyWaits = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve));

/**
 * Who goes next. Whatever a controller does outside its own memory waits here first, so that a seed alone decides in
 * which order things happen, and a controller can die between any two of them.
 */
export class Turns {
  /** Whether what is sent may be late. */
  isHealthy = false;
  #waiting: Waiting[] = [];

  constructor(
    private readonly chance: () => number,
    private readonly now: () => number,
  ) {}

  /** Whether anybody waits who can go on now. */
  get isAnyReady(): boolean {
    return this.#waiting.some(({ isOnItsWay }) => !isOnItsWay());
  }

  /**
   * Something that changes what others see. It waits before it happens, and its answer waits before it arrives. What goes
   * far is late more often, and as long as `isStuck` holds.
   */
  async act<T>(life: Life, point: string, effect: () => Promise<T>, isStuck?: () => boolean): Promise<T> {
    const until = this.#lateness(isStuck ? OFTEN : SELDOM);
    const isLate = (): boolean => this.now() < until || isStuck?.() === true;
    await this.#pass(life, point, true, until > 0 || isStuck ? isLate : never);
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

  /** Whether anything is left that waits, or is late. */
  get isAnyLeft(): boolean {
    return this.#waiting.length > 0;
  }

  /** Lets everybody come to where they wait. */
  async rest(): Promise<void> {
    await everybodyWaits();
  }

  /** Lets one of those who wait go on, until everybody waits again. */
  async next(): Promise<void> {
    const ready = this.#waiting.filter(({ isOnItsWay }) => !isOnItsWay());
    const next = ready[Math.floor(this.chance() * ready.length)];
    this.#waiting = this.#waiting.filter((waiting) => waiting !== next);
    next?.go();
    await everybodyWaits();
  }

  /** Lets all of those who wait now go on, in any order. */
  async round(): Promise<void> {
    const ready = this.#waiting.filter(({ isOnItsWay }) => !isOnItsWay());
    this.#waiting = this.#waiting.filter(({ isOnItsWay }) => isOnItsWay());
    for (let left = ready.length; left > 0; left -= 1) {
      const [next] = ready.splice(Math.floor(this.chance() * left), 1);
      next?.go();
    }
    await everybodyWaits();
  }

  /** The life ends where it is. Half of what it has sent still arrives, late. */
  end(life: Life): void {
    life.isAlive = false;
    this.#waiting = this.#waiting.filter((waiting) => waiting.life !== life || (waiting.isSent && this.chance() < 0.5));
    for (const waiting of this.#waiting) {
      if (waiting.life !== life) continue;
      const until = this.#lateness(1);
      waiting.isOnItsWay = () => this.now() < until;
    }
  }

  /** When it arrives, if it is late at all. */
  #lateness(howOften: number): number {
    return this.isHealthy || this.chance() >= howOften ? 0 : this.now() + this.chance() * LATE_MS;
  }

  async #pass(life: Life, point: string, isSent: boolean, isOnItsWay = never): Promise<void> {
    if (!life.isAlive) return new Promise(nothing);
    return new Promise((go) => this.#waiting.push({ life, point, isSent, go, isOnItsWay }));
  }
}
