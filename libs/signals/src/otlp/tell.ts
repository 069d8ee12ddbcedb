import type { Fault } from '../place-faults.js';
import type { Refusals } from './answers.js';

/** Reasons that an answer gives, and how long it may get. */
const MOST_REASONS = 5;
const MOST_CHARACTERS = 1_000;

/** Collects what was refused, and says it in a few sentences: how many, and the first reasons. */
export class Tell {
  #rejected = 0;
  readonly #reasons = new Map<string, { count: number; readonly words: string }>();

  /** `where`: the name of the metric or of what else was refused. */
  add(where: string, { code, detail }: Fault, count = 1): void {
    this.#rejected += count;
    const known = this.#reasons.get(`${where} ${code}`);
    if (known === undefined) this.#reasons.set(`${where} ${code}`, { count, words: `${where}: ${detail} (${code})` });
    else known.count += count;
  }

  addAll(other: Tell): void {
    this.#rejected += other.#rejected;
    for (const [key, { count, words }] of other.#reasons) {
      const known = this.#reasons.get(key);
      if (known === undefined) this.#reasons.set(key, { count, words });
      else known.count += count;
    }
  }

  refusals(what: string): Refusals {
    if (this.#rejected === 0) return { rejected: 0, message: '' };
    const reasons = [...this.#reasons.values()].toSorted((a, b) => b.count - a.count);
    const told = reasons.slice(0, MOST_REASONS).map(({ count, words }) => `${count} × ${words}`);
    const more = reasons.length > MOST_REASONS ? [`and ${reasons.length - MOST_REASONS} more reasons`] : [];
    const message = `${this.#rejected} ${what} were refused, the rest is kept. ${[...told, ...more].join('; ')}`;
    return { rejected: this.#rejected, message: message.slice(0, MOST_CHARACTERS) };
  }
}
