import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventCodec, newestVersion, type RolloutEvent } from '#libs/domain';
import { PostgresEventStore } from '#libs/event-store';
import { EXAMPLES } from '#test/compatibility/examples';
import { createTestDatabase, type TestDatabase } from '#test/test-database';

let database: TestDatabase;
let store: PostgresEventStore;

beforeAll(async () => {
  database = await createTestDatabase();
  store = new PostgresEventStore({ pool: database.pool, codec: eventCodec });
});

afterAll(async () => {
  await store.close();
  await database.drop();
});

const actor = { kind: 'automation', name: 'headgate' } as const;
let events = 0;

/** Appends examples of these types to the stream of a rollout, all at once. */
const append = async (rollout: string, ...types: readonly RolloutEvent['type'][]): Promise<void> => {
  const result = await store.append({
    streams: [
      {
        streamId: `rollout-${rollout}`,
        expectedVersion: 'any',
        events: types.map((type) => ({
          type,
          data: { ...EXAMPLES[type] },
          eventId: `01998e1f-7d10-7000-8000-${String((events += 1)).padStart(12, '0')}`,
          schemaVersion: newestVersion(type),
          metadata: {
            actor,
            commandId: `c-${events}`,
            correlationId: 'x',
            occurredAt: '2026-01-05T12:00:00.000Z',
            precision: 'instant',
          },
        })),
      },
    ],
  });
  expect(result.kind).toBe('appended');
};

const summaryOf = async (rollout: string): Promise<unknown> =>
  (await database.pool.query('select * from read_models.rollout_summary where rollout = $1', [rollout])).rows[0];

describe('the summary of a rollout', () => {
  it('is written with its events, several at once too, and knows the newest of them', async () => {
    await append('a', 'RolloutPlanned', 'RolloutStarted', 'StageEntered');
    const head = await store.head();
    expect(await summaryOf('a')).toEqual({
      rollout: 'a',
      config: EXAMPLES.RolloutPlanned.config,
      revision: EXAMPLES.RolloutPlanned.revision,
      status: 'staging',
      version: 3,
      position: head,
    });
  });

  it.each([
    ['FullyExposed', 'watching'],
    ['RollbackStarted', 'rolling-back'],
    ['RolledBack', 'rolled-back'],
    ['RolloutSettled', 'settled'],
    ['RolloutSuperseded', 'superseded'],
    ['VerdictRecorded', 'staging'],
  ] as const)('after %s is %s', async (type, status) => {
    await append(type, 'RolloutPlanned', 'RolloutStarted');
    await append(type, type);
    expect(await summaryOf(type)).toMatchObject({ status, version: 3, config: EXAMPLES.RolloutPlanned.config });
  });
});
