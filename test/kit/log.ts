import { createHash } from 'node:crypto';
import type { Pool } from 'pg';
import type { RecordedEvent } from '#libs/kernel';

type Row = { readonly position: number; readonly body: string; readonly leaf: Buffer };

/** The whole log, read past the controller. */
export const readLog = async (pool: Pool): Promise<readonly RecordedEvent[]> => {
  const { rows } = await pool.query<Row>('select position, body, leaf from event_store.events order by position');
  return rows.map(({ body }) => JSON.parse(body) as RecordedEvent);
};

/** Number of events in the log. */
export const headOf = async (pool: Pool): Promise<number> => {
  const { rows } = await pool.query<{ head: number }>(
    'select coalesce(max(position), 0) as head from event_store.events',
  );
  return rows[0]?.head ?? 0;
};

const ENDS = { RolloutSettled: 'settled', RolledBack: 'rolled-back' } as const;

/** How a rollout ended, as its stream says; undefined while it has not. */
export const endOf = async (pool: Pool, rollout: string): Promise<'settled' | 'rolled-back' | undefined> => {
  const { rows } = await pool.query<{ type: keyof typeof ENDS }>(
    'select type from event_store.log where stream_id = $1 and type = any ($2)',
    [`rollout-${rollout}`, Object.keys(ENDS)],
  );
  return rows[0] && ENDS[rows[0].type];
};

const repeated = (keys: readonly string[]): string | undefined => {
  const seen = new Set<string>();
  return keys.find((key) => seen.size === seen.add(key).size);
};

const WHAT_HAPPENS_ONCE: Readonly<Record<string, (data: RecordedEvent['data']) => string>> = {
  RolloutPlanned: ({ rollout }) => String(rollout),
  StageEntered: ({ rollout, track, stage }) => `${String(rollout)} ${String(track)} ${String(stage)}`,
  StagePassed: ({ rollout, track, stage }) => `${String(rollout)} ${String(track)} ${String(stage)}`,
  ExposureChanged: ({ rollout, target, generation }) => `${String(rollout)} ${String(target)} ${String(generation)}`,
  TargetConverged: ({ rollout, target, generation }) => `${String(rollout)} ${String(target)} ${String(generation)}`,
  GenerationAcknowledged: ({ target, generation }) => `${String(target)} ${String(generation)}`,
  DegradationDetected: ({ rollout }) => String(rollout),
  RollbackStarted: ({ rollout }) => String(rollout),
  TargetReadBack: ({ rollout, target }) => `${String(rollout)} ${String(target)}`,
  TargetDrained: ({ rollout, target }) => `${String(rollout)} ${String(target)}`,
  RolledBack: ({ rollout }) => String(rollout),
  FullyExposed: ({ rollout }) => String(rollout),
  RolloutSettled: ({ rollout }) => String(rollout),
  TargetsClaimed: ({ rollout }) => String(rollout),
  TargetsReleased: ({ rollout }) => String(rollout),
};

/** Everything that is wrong with the log as a log: gaps, doubles, broken leaves, what may happen once but did twice. */
export const faultsOfLog = async (pool: Pool): Promise<readonly string[]> => {
  const { rows } = await pool.query<Row>('select position, body, leaf from event_store.events order by position');
  const events = rows.map(({ body }) => JSON.parse(body) as RecordedEvent);
  const versions = new Map<string, number>();
  const faults: string[] = [];
  for (const [index, event] of events.entries()) {
    if (event.position !== index + 1 || rows[index]?.position !== index + 1) faults.push(`gap at ${index + 1}`);
    const version = (versions.get(event.streamId) ?? 0) + 1;
    versions.set(event.streamId, version);
    if (event.streamVersion !== version) faults.push(`${event.streamId} has a gap at version ${version}`);
    const leaf = createHash('sha256')
      .update('\u0000')
      .update(rows[index]?.body ?? '')
      .digest();
    if (!rows[index]?.leaf.equals(leaf)) faults.push(`leaf ${index + 1} is not the hash of its body`);
  }
  const twice = repeated(events.map(({ eventId }) => eventId));
  if (twice !== undefined) faults.push(`event ${twice} is there twice`);
  for (const [type, key] of Object.entries(WHAT_HAPPENS_ONCE)) {
    const doubled = repeated(events.filter((event) => event.type === type).map(({ data }) => key(data)));
    if (doubled !== undefined) faults.push(`${type} twice: ${doubled}`);
  }
  return faults;
};
