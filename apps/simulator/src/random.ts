/** A seeded source of chance: the same seed gives the same draws. Not for secrets. */
export type Random = {
  /** Uniform in [0, 1). */
  readonly next: () => number;
  /** Uniform integer in [0, limit). */
  readonly below: (limit: number) => number;
  /** Poisson with this mean: 0 when the mean is 0 or less. */
  readonly poisson: (mean: number) => number;
  /** Sixteen hexadecimal digits. */
  readonly hex: () => string;
};

/** Mixes an integer with a seed to 32 well spread bits (the finaliser of MurmurHash3). */
export const mix = (seed: number, value: number): number => {
  let h = (seed ^ Math.imul(value, 0x9e3779b1)) >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
};

/** Names to a 32-bit seed (FNV-1a, mixed). */
export const seedOf = (seed: number, ...names: readonly string[]): number => {
  let h = (0x811c9dc5 ^ seed) >>> 0;
  for (const char of names.join('\u0000')) h = Math.imul(h ^ (char.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  return mix(h, seed);
};

/** Whether item `index` belongs to a fixed share of all items; the same items for the same seed. */
export const inShare = (seed: number, index: number, share: number): boolean =>
  share >= 1 || (share > 0 && mix(seed, index) < share * 0x1_0000_0000);

// Chunks keep exp(-mean) far from underflow; the sum of independent Poisson draws is Poisson.
const CHUNK = 30;

const knuth = (next: () => number, mean: number): number => {
  const limit = Math.exp(-mean);
  let count = 0;
  for (let product = next(); product > limit; product *= next()) count += 1;
  return count;
};

/** A generator (sfc32) started from a 32-bit seed. */
export const createRandom = (seed: number): Random => {
  let a = mix(seed, 1);
  let b = mix(seed, 2);
  let c = mix(seed, 3);
  let counter = 1;
  const bits = (): number => {
    const t = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + t) | 0;
    return t >>> 0;
  };
  const next = (): number => bits() / 0x1_0000_0000;
  const poisson = (mean: number): number => {
    let count = 0;
    let left = mean;
    for (; left > CHUNK; left -= CHUNK) count += knuth(next, CHUNK);
    return left > 0 ? count + knuth(next, left) : count;
  };
  const hex = (): string => bits().toString(16).padStart(8, '0') + bits().toString(16).padStart(8, '0');
  return { next, below: (limit) => Math.floor(next() * limit), poisson, hex };
};
