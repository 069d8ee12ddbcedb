import type { JsonObject } from '#libs/kernel';
import { RulesetCache } from '../feed.js';
import { CHANNEL, type Queryable } from './postgres.js';

/** A connection that can listen. */
type Listener = {
  query(text: string): Promise<unknown>;
  on(event: 'notification', listener: (message: { readonly payload?: string | undefined }) => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'end', listener: () => void): unknown;
  release(destroy?: boolean): void;
};

/** The little of a pool that the feed needs: it keeps one connection for itself. */
export type ListeningPool = Queryable & { connect(): Promise<Listener> };

export type PostgresFeedOptions = {
  readonly pool: ListeningPool;
  /** How often the table is read in case a notification was lost, in milliseconds. Default 1 s. */
  readonly pollMs?: number;
  /** Told once when the database stops answering, and again after the next outage. What is held stays served. */
  readonly onError?: (error: unknown) => void;
};

const NEWS = `
select target, held.generation, ruleset::text as text, applied_at as "appliedAt"
from delivery.rulesets as held
left join unnest($1::text[], $2::bigint[]) as known (target, generation) using (target)
where known.generation is null or held.generation > known.generation`;

type NewsRow = {
  readonly target: string;
  readonly generation: number;
  readonly text: string;
  readonly appliedAt: Date;
};

/** `ruleset <generation> <target>` or `instances <target>`. */
const NOTICE = /^(?:ruleset (\d+)|instances) (.+)$/;

/**
 * The newest rulesets of all targets, kept up to date by LISTEN and, should a notification be lost, by a poll. While the
 * database is away it serves what it has.
 */
export class PostgresRulesetFeed extends RulesetCache {
  private readonly acknowledged = new Set<(target: string) => void>();
  private readonly timer: NodeJS.Timeout;
  private listener: Listener | undefined;
  private connecting = false;
  private refreshing: Promise<void> | undefined;
  private stale = false;
  private closed = false;
  private failed = false;

  private constructor(private readonly options: PostgresFeedOptions) {
    super();
    this.timer = setInterval(() => void this.keepUp(), options.pollMs ?? 1_000);
  }

  /** Loads every ruleset and listens. Throws when the database cannot be reached. */
  static async start(options: PostgresFeedOptions): Promise<PostgresRulesetFeed> {
    const feed = new PostgresRulesetFeed(options);
    try {
      await feed.listen();
      await feed.refresh();
    } catch (error) {
      await feed.close();
      throw error;
    }
    return feed;
  }

  /** Rings when an instance of a target acknowledged something new; may be lost without harm. Returns an unsubscribe. */
  onAcknowledged(listener: (target: string) => void): () => void {
    this.acknowledged.add(listener);
    return () => this.acknowledged.delete(listener);
  }

  /** Stops listening; what is held stays readable. */
  async close(): Promise<void> {
    this.closed = true;
    clearInterval(this.timer);
    this.drop(this.listener);
    await this.refreshing?.catch(() => undefined);
  }

  private async keepUp(): Promise<void> {
    if (this.closed) return;
    try {
      if (this.listener === undefined) await this.listen();
      await this.refresh();
      this.failed = false;
    } catch (error) {
      this.report(error);
    }
  }

  private report(error: unknown): void {
    if (!this.failed && !this.closed) this.options.onError?.(error);
    this.failed = true;
  }

  private async listen(): Promise<void> {
    if (this.connecting) return;
    this.connecting = true;
    try {
      const listener = await this.options.pool.connect();
      listener.on('error', (error) => {
        this.drop(listener);
        this.report(error);
      });
      listener.on('end', () => this.drop(listener));
      listener.on('notification', ({ payload = '' }) => this.notice(payload));
      this.listener = listener;
      await listener.query(`listen ${CHANNEL}`);
      if (this.closed) this.drop(listener);
    } catch (error) {
      this.drop(this.listener);
      throw error;
    } finally {
      this.connecting = false;
    }
  }

  /** The connection is thrown away: one that listened must not go back to the pool. */
  private drop(listener: Listener | undefined): void {
    if (listener === undefined || this.listener !== listener) return;
    this.listener = undefined;
    listener.release(true);
  }

  private notice(payload: string): void {
    const [, generation, target = ''] = NOTICE.exec(payload) ?? [];
    if (generation === undefined) {
      for (const listener of this.acknowledged) listener(target);
    } else if (Number(generation) > this.generation(target)) {
      this.refresh().catch((error: unknown) => this.report(error));
    }
  }

  /** One read at a time; a call during a read makes one more follow, so that nothing committed before it is missed. */
  private refresh(): Promise<void> {
    this.stale = true;
    this.refreshing ??= this.readNews().finally(() => {
      this.refreshing = undefined;
    });
    return this.refreshing;
  }

  private async readNews(): Promise<void> {
    while (this.stale) {
      this.stale = false;
      const held = this.held();
      const { rows } = await this.options.pool.query<NewsRow>(NEWS, [
        held.map(([target]) => target),
        held.map(([, generation]) => generation),
      ]);
      for (const { target, generation, text, appliedAt } of rows) {
        const ruleset = JSON.parse(text) as JsonObject;
        this.offer({ target, generation, text, ruleset, appliedAt: appliedAt.getTime() });
      }
    }
  }
}
