import { expect, it } from 'vitest';
import { createTestDatabase } from '#test/test-database';
import { seedOf } from './points.js';
import { runStorm } from './storm.js';

const SECONDS = Number(process.env['CHAOS_SECONDS'] ?? 15);
const seed = seedOf(process.env);

it(
  `three controllers with clocks seconds apart, killed at random under load, lose nothing, double nothing and leave no target behind (CHAOS_SEED=${seed})`,
  async () => {
    const database = await createTestDatabase();
    try {
      const report = await runStorm({
        databaseUrl: database.url,
        pool: database.pool,
        seed,
        seconds: SECONDS,
        clocksMs: [0, 4_000, -3_000],
        killEveryMs: 2_500,
      });
      process.stdout.write(`${JSON.stringify(report)}\n`);
      expect(report.violations).toEqual([]);
      expect(report.wrongEnds).toEqual([]);
      expect(report.deaths).toBeGreaterThan(2);
      expect(report.rollouts.settled).toBeGreaterThan(0);
    } finally {
      await database.drop();
    }
  },
  SECONDS * 1_000 + 120_000,
);
