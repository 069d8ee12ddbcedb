import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import type { EmbeddedPostgres } from '#libs/postgres';
import { createDatabase, createPool, migrate, startEmbeddedPostgres } from '#libs/postgres';

/** A figure that has to be reached; missing it fails the run. */
export type Must = { readonly key: string; readonly atLeast?: number; readonly atMost?: number };

export type Figures = Readonly<Record<string, unknown>>;

export type Bench = {
  /** One sentence: what is measured. */
  readonly measures: string;
  /** What `--quick` reduces. */
  readonly quick: string;
  readonly musts: readonly Must[];
  readonly run: (context: BenchContext) => Promise<Figures>;
};

export type BenchContext = {
  readonly quick: boolean;
  readonly seed: number;
  /** Prints a line for a person. */
  readonly say: (line: string) => void;
  /** A durable embedded server of this run, and on it a database: migrated unless `empty`. */
  readonly database: (name: string, options?: { readonly empty?: boolean }) => Promise<string>;
  readonly close: () => Promise<void>;
};

const SEED = 20_250_805;
const PREFIX = 'headgate-bench-';

const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
};

/** A run that was killed leaves its folder; its server has ended with it. */
const sweep = (): void => {
  for (const name of readdirSync(tmpdir())) {
    const pid = Number(name.slice(PREFIX.length));
    if (name.startsWith(PREFIX) && pid > 0 && !isRunning(pid))
      rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
};

/** Processes that want to run, averaged over the last minute: above the number of cores, figures suffer. */
export const load = (): number => round(loadavg()[0] ?? Number.NaN, 2);

/** The machine, for the record. */
export const hostLine = (): string => {
  const model = cpus()[0]?.model.trim() ?? 'unknown processor';
  return `${availableParallelism()} x ${model}, ${Math.round(totalmem() / 2 ** 30)} GB, Node ${process.versions.node}, load ${load()}`;
};

/** Opens what a benchmark needs; the server is started by the first that asks for it. */
export const openContext = (options: {
  readonly quick: boolean;
  readonly say: (line: string) => void;
}): BenchContext => {
  let server: Promise<EmbeddedPostgres> | undefined;
  sweep();
  const folder = join(tmpdir(), `${PREFIX}${process.pid}`);
  // As root the server runs as another user, who has to pass through.
  mkdirSync(folder, { recursive: true, mode: 0o711 });
  const start = () =>
    startEmbeddedPostgres({
      dataDir: join(folder, 'data'),
      durable: true,
      settings: { shared_buffers: '1GB', max_wal_size: '4GB' },
    });
  const database: BenchContext['database'] = async (name, { empty = false } = {}) => {
    server ??= start();
    const url = await createDatabase((await server).url, name);
    if (empty) return url;
    const pool = createPool(url, { max: 1 });
    await migrate(pool);
    await pool.end();
    return url;
  };
  const close = async () => {
    await (await server)?.stop({ remove: true });
    rmSync(folder, { recursive: true, force: true });
  };
  return { ...options, seed: SEED, database, close };
};

/** Lines about figures that were not reached. */
export const findMissed = (musts: readonly Must[], figures: Figures): readonly string[] =>
  musts.flatMap(({ key, atLeast, atMost }) => {
    const value = figures[key];
    if (typeof value !== 'number' || Number.isNaN(value)) return [`${key} was not measured`];
    if (atLeast !== undefined && value < atLeast) return [`${key} is ${value}, below ${atLeast}`];
    if (atMost !== undefined && value > atMost) return [`${key} is ${value}, above ${atMost}`];
    return [];
  });

export const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
};

/** The value below which this share of the values lies (nearest rank). */
export const quantile = (values: readonly number[], share: number): number => {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))] ?? Number.NaN;
};

/** To a number of significant digits, so that figures can be read. */
export const round = (value: number, digits = 3): number => Number(value.toPrecision(digits));

export type Measured = { readonly median: number; readonly spread: number; readonly rounds: readonly number[] };

/** Median, and spread as (max - min) / median. */
export const summarise = (rounds: readonly number[]): Measured => {
  const middle = median(rounds);
  return {
    median: round(middle, 4),
    spread: round((Math.max(...rounds) - Math.min(...rounds)) / middle),
    rounds: rounds.map((value) => round(value, 4)),
  };
};

/**
 * Lets the sides take turns: each round runs all of them, and each round starts with another one, so that a machine
 * that changes its speed treats them alike.
 */
export const takeTurns = async <K extends string>(
  rounds: number,
  sides: Readonly<Record<K, () => Promise<number>>>,
): Promise<Record<K, number[]>> => {
  const names = Object.keys(sides) as K[];
  const measured = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<K, number[]>;
  for (let turn = 0; turn < rounds; turn += 1) {
    for (let step = 0; step < names.length; step += 1) {
      const name = names[(turn + step) % names.length];
      if (name !== undefined) measured[name].push(await sides[name]());
    }
  }
  return measured;
};

/** Side over other within each round: the median of these is a ratio's figure. */
export const ratioOf = (side: readonly number[], other: readonly number[]): Measured =>
  summarise(side.map((value, turn) => value / (other[turn] ?? Number.NaN)));
