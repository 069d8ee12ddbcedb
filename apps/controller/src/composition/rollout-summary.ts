import type { InlineProjection } from '#libs/event-store';
import type { RecordedEvent } from '#libs/kernel';

const STATUS: Readonly<Record<string, string>> = {
  RolloutStarted: 'staging',
  FullyExposed: 'watching',
  RollbackStarted: 'rolling-back',
  RolledBack: 'rolled-back',
  RolloutSettled: 'settled',
  RolloutSuperseded: 'superseded',
};

const PREFIX = 'rollout-';

type Row = {
  rollout: string;
  config: string | null;
  revision: number | null;
  status: string | null;
  version: number;
  position: number;
};

/** A track that is taken back alone leaves the rollout where it was. */
const isOfOneTrack = ({ type, data }: RecordedEvent): boolean => type === 'RollbackStarted' && data['track'] !== null;

const rowOf = (event: RecordedEvent): Row => {
  const planned = event.type === 'RolloutPlanned';
  return {
    rollout: event.streamId.slice(PREFIX.length),
    config: planned ? String(event.data['config']) : null,
    revision: planned ? Number(event.data['revision']) : null,
    status: isOfOneTrack(event) ? null : (STATUS[event.type] ?? null),
    version: event.streamVersion,
    position: event.position,
  };
};

const merge = (before: Row | undefined, row: Row): Row => ({
  ...row,
  config: row.config ?? before?.config ?? null,
  revision: row.revision ?? before?.revision ?? null,
  status: row.status ?? before?.status ?? null,
});

/** One row per rollout, written with its events: what lists and tools outside read by SQL. */
export const rolloutSummary: InlineProjection = {
  statementsFor: async (events) => {
    const rows = new Map<string, Row>();
    for (const event of events) {
      if (!event.streamId.startsWith(PREFIX)) continue;
      const row = rowOf(event);
      rows.set(row.rollout, merge(rows.get(row.rollout), row));
    }
    if (rows.size === 0) return [];
    const sorted = [...rows.values()].toSorted((a, b) => (a.rollout < b.rollout ? -1 : 1));
    const statement = {
      name: 'rollout-summary',
      text: `insert into read_models.rollout_summary as summary (rollout, config, revision, status, version, position)
        select * from unnest($1::text[], $2::text[], $3::int[], $4::text[], $5::int[], $6::bigint[])
        on conflict (rollout) do update
        set config = coalesce(excluded.config, summary.config),
            revision = coalesce(excluded.revision, summary.revision),
            status = coalesce(excluded.status, summary.status),
            version = excluded.version,
            position = excluded.position`,
      values: [
        sorted.map(({ rollout }) => rollout),
        sorted.map(({ config }) => config),
        sorted.map(({ revision }) => revision),
        sorted.map(({ status }) => status),
        sorted.map(({ version }) => version),
        sorted.map(({ position }) => position),
      ],
    };
    return [statement];
  },
};
