import {
  asHeadgateEvent,
  Fleet,
  rolloutDecider,
  summarise,
  type AccessEvent,
  type FleetEntry,
  type HeadgateEvent,
  type HookEvent,
  type Recorded,
  type Rollout,
  type RolloutEvent,
  type RolloutState,
} from '#libs/domain';
import { unreachable, type RecordedEvent } from '#libs/kernel';

export type RolloutEntry = {
  readonly rollout: Rollout;
  readonly version: number;
  readonly position: number;
  readonly startedBy: string;
  readonly reason: string;
  /** Id of its newest event: what is done about the rollout next is done because of that. */
  readonly lastEvent: string;
};
export type RevisionFacts = { readonly author: string; readonly reason: string | null; readonly at: string };
export type Token = {
  readonly id: string;
  readonly subject: string;
  readonly role: 'admin' | 'operator' | 'viewer' | 'investigator' | 'service';
  readonly last4: string;
  readonly createdAt: string;
  readonly expiresAt: string | null;
  readonly revokedAt: string | null;
};

export type Hook = Extract<HookEvent, { type: 'HookAdded' }>['data'] & {
  /** Positions of the events that added it, and that resumed it last; 0: it was never resumed. */
  readonly addedAt: number;
  readonly resumedAt: number;
  readonly createdAt: string;
  /** Why nothing is sent to it; null while events are. */
  readonly disabled: string | null;
  readonly disabledAt: string | null;
};

/** One thing that a view holds, as JSON. Tokens are not among them: see `holdAccess`. */
export type ViewEntry =
  | readonly [kind: 'fleet', entry: FleetEntry]
  | readonly [kind: 'rollout', id: string, entry: RolloutEntry]
  | readonly [kind: 'hook', hook: Hook]
  | readonly [kind: 'revision', key: string, facts: RevisionFacts]
  | readonly [kind: 'stream', id: string, version: number]
  | readonly [kind: 'generation', target: string, event: string];

/** The view of this process has stopped, so nobody can be told what the log says now. */
export class ViewStoppedError extends Error {
  override readonly name = 'ViewStoppedError';

  constructor(cause: Error) {
    super(`This controller does not follow the log any more. ${cause.message}`, { cause });
  }
}

const ROLLOUT = 'rollout-';

/**
 * What the log says, folded in memory by each controller: fleet, rollouts, tokens. A reader that must see its own
 * write waits for the write's position.
 */
export class LiveView {
  readonly fleet = new Fleet();
  readonly #rollouts = new Map<string, RolloutEntry>();
  readonly #tokens = new Map<string, Token>();
  readonly #tokensById = new Map<string, string>();
  readonly #hooks = new Map<string, Hook>();
  readonly #revisions = new Map<string, RevisionFacts>();
  readonly #streamVersions = new Map<string, number>();
  readonly #generationEvents = new Map<string, string>();
  readonly #waiters = new Set<{
    readonly position: number;
    readonly done: () => void;
    readonly fail: (error: ViewStoppedError) => void;
  }>();
  readonly #awaitedListeners = new Set<() => void>();
  readonly #failureListeners = new Set<() => void>();
  #failure: ViewStoppedError | undefined;
  readonly #eventListeners = new Set<(event: RecordedEvent) => void>();
  readonly #listeners = new Set<(targets: readonly string[]) => void>();

  get position(): number {
    return this.fleet.position;
  }

  get rollouts(): ReadonlyMap<string, RolloutEntry> {
    return this.#rollouts;
  }

  get tokens(): readonly Token[] {
    return [...this.#tokens.values()];
  }

  /** Where events go to, by id; those that were removed are not among them. */
  get hooks(): ReadonlyMap<string, Hook> {
    return this.#hooks;
  }

  tokenByHash(hash: string): Token | undefined {
    return this.#tokens.get(hash);
  }

  tokenById(id: string): Token | undefined {
    const hash = this.#tokensById.get(id);
    return hash === undefined ? undefined : this.#tokens.get(hash);
  }

  revisionFacts(key: string, revision: number): RevisionFacts | undefined {
    return this.#revisions.get(`${key}@${revision}`);
  }

  streamVersion(streamId: string): number {
    return this.#streamVersions.get(streamId) ?? 0;
  }

  /** Id of the event that made the newest generation of a target. */
  generationEvent(target: string): string | undefined {
    return this.#generationEvents.get(target);
  }

  /** Rings with the targets whose ruleset an event changed. */
  onRulesetChange(listener: (targets: readonly string[]) => void): void {
    this.#listeners.add(listener);
  }

  /** Rings with each event once it is folded in, in order. */
  onEvent(listener: (event: RecordedEvent) => void): void {
    this.#eventListeners.add(listener);
  }

  /** Rings when somebody waits for an event that is not folded in yet. */
  onAwaited(listener: () => void): void {
    this.#awaitedListeners.add(listener);
  }

  apply(recorded: RecordedEvent): void {
    const event = asHeadgateEvent(recorded);
    const changed = this.fleet.apply(event);
    for (const target of changed) this.#generationEvents.set(target, recorded.eventId);
    this.#streamVersions.set(recorded.streamId, recorded.streamVersion);
    if (recorded.streamId.startsWith(ROLLOUT)) this.#applyRollout(recorded, event as Recorded<RolloutEvent>);
    this.#applyFacts(recorded, event);
    for (const waiter of this.#waiters) {
      if (waiter.position > recorded.position) continue;
      this.#waiters.delete(waiter);
      waiter.done();
    }
    if (changed.length > 0) for (const listener of this.#listeners) listener(changed);
    for (const listener of this.#eventListeners) listener(recorded);
  }

  /** Resolves once the view has folded `position`. Throws `ViewStoppedError` when it never will. */
  async caughtUpWith(position: number): Promise<void> {
    if (this.position >= position) return;
    if (this.#failure) throw this.#failure;
    const reached = new Promise<void>((done, fail) => this.#waiters.add({ position, done, fail }));
    for (const listener of this.#awaitedListeners) listener();
    await reached;
  }

  /** Why nothing newer is folded in any more; undefined while the view follows the log. */
  get failure(): ViewStoppedError | undefined {
    return this.#failure;
  }

  /** Its reader has stopped for good: whoever waits is told. */
  stopped(cause: Error): void {
    const failure = new ViewStoppedError(cause);
    this.#failure = failure;
    for (const { fail } of this.#waiters) fail(failure);
    this.#waiters.clear();
    for (const listener of this.#failureListeners) listener();
  }

  /** Rings when the view has stopped, at once when it already has. */
  onFailure(listener: () => void): void {
    this.#failureListeners.add(listener);
    if (this.#failure) listener();
  }

  /** All that it holds now but tokens, piece by piece; events that are folded in meanwhile do not show. */
  held(): { readonly position: number; readonly entries: Iterable<ViewEntry> } {
    const fleet = this.fleet.held();
    const [rollouts, hooks, revisions] = [[...this.#rollouts], [...this.#hooks.values()], [...this.#revisions]];
    const [streams, generations] = [[...this.#streamVersions], [...this.#generationEvents]];
    const entries = (function* all(): Generator<ViewEntry> {
      for (const entry of fleet) yield ['fleet', entry];
      for (const [id, entry] of rollouts) yield ['rollout', id, entry];
      for (const hook of hooks) yield ['hook', hook];
      for (const [key, facts] of revisions) yield ['revision', key, facts];
      for (const [id, version] of streams) yield ['stream', id, version];
      for (const [target, event] of generations) yield ['generation', target, event];
    })();
    return { position: this.position, entries };
  }

  /** Takes in what another view held. */
  hold(entry: ViewEntry): void {
    switch (entry[0]) {
      case 'fleet':
        return this.fleet.hold(entry[1]);
      case 'rollout': {
        const [, id, facts] = entry;
        const { config, assignment, plan } = facts.rollout;
        this.#rollouts.set(id, facts);
        return this.fleet.holdRollout(id, { config, assignment, plan });
      }
      case 'hook':
        return void this.#hooks.set(entry[1].hook, entry[1]);
      case 'revision':
        return void this.#revisions.set(entry[1], entry[2]);
      case 'stream':
        return void this.#streamVersions.set(entry[1], entry[2]);
      case 'generation':
        return void this.#generationEvents.set(entry[1], entry[2]);
      default:
        return unreachable(entry);
    }
  }

  /**
   * Ends the taking in. Who may do what is folded from the log itself, so that nobody gets in by what was kept: `access`
   * are all events about it up to `position`.
   */
  heldUpTo(position: number, access: readonly RecordedEvent[]): void {
    for (const event of access) this.#applyFacts(event, asHeadgateEvent(event));
    this.fleet.heldUpTo(position);
  }

  #applyRollout(recorded: RecordedEvent, event: Recorded<RolloutEvent>): void {
    const id = recorded.streamId.slice(ROLLOUT.length);
    const before = this.#rollouts.get(id);
    const state: RolloutState = rolloutDecider.evolve(before?.rollout ?? rolloutDecider.initial, event);
    if (state.status === 'none') return;
    this.#rollouts.set(id, {
      rollout: state,
      version: recorded.streamVersion,
      position: recorded.position,
      startedBy: before?.startedBy ?? recorded.metadata.actor.name,
      reason: before?.reason ?? recorded.metadata.reason ?? '',
      lastEvent: recorded.eventId,
    });
  }

  #applyFacts(recorded: RecordedEvent, event: Recorded<HeadgateEvent>): void {
    if (event.type === 'RevisionProposed') {
      const { actor, reason, occurredAt } = recorded.metadata;
      this.#revisions.set(`${event.data.key}@${event.data.revision}`, {
        author: actor.name,
        reason: reason ?? null,
        at: occurredAt,
      });
    }
    if (event.type === 'TokenIssued') this.#issue(event.data, recorded.recordedAt);
    if (event.type === 'TokenRevoked') {
      const hash = this.#tokensById.get(event.data.token);
      const token = hash === undefined ? undefined : this.#tokens.get(hash);
      if (hash !== undefined && token) this.#tokens.set(hash, { ...token, revokedAt: recorded.recordedAt });
    }
    if (recorded.streamId.startsWith('hook-')) this.#applyHook(event as Recorded<HookEvent>, recorded.recordedAt);
  }

  #applyHook(event: Recorded<HookEvent>, recordedAt: string): void {
    const { hook } = event.data;
    const on = { disabled: null, disabledAt: null };
    if (event.type === 'HookAdded')
      this.#hooks.set(hook, {
        ...event.data,
        addedAt: event.position,
        createdAt: recordedAt,
        resumedAt: 0,
        ...on,
      });
    if (event.type === 'HookRemoved') this.#hooks.delete(hook);
    const known = this.#hooks.get(hook);
    if (known === undefined) return;
    if (event.type === 'HookDisabled')
      this.#hooks.set(hook, { ...known, disabled: event.data.reason, disabledAt: recordedAt });
    if (event.type === 'HookResumed') this.#hooks.set(hook, { ...known, resumedAt: event.position, ...on });
  }

  #issue(data: Extract<AccessEvent, { type: 'TokenIssued' }>['data'], createdAt: string): void {
    const { token: id, subject, role, hash, last4, expiresAt } = data;
    this.#tokens.set(hash, { id, subject, role, last4, createdAt, expiresAt, revokedAt: null });
    this.#tokensById.set(id, hash);
  }
}

export { summarise };
