import type { ObservedTotals, RequestTotals, StoredLook, TargetSeen, ViolationReport } from '#libs/application';
import { eventCodec, type Rollout, type Trial } from '#libs/domain';
import type { Fault } from './traffic.js';
import { MemoryEventStore } from '#libs/event-store';
import type { AppendRequest, AppendResult, Clock, JsonObject, RecordedEvent } from '#libs/kernel';

/** What one look at a rollout rested on, as the evidence gave it. */
export type Seen = {
  readonly look: StoredLook & { readonly rollout: string };
  /** The last position of the log when it was taken. */
  readonly head: number;
  /** The same when all signals were judged; undefined where the one who looked did not come to that. */
  judgedAt: number | undefined;
  /** The rollout as the one who looked knew it. */
  readonly rollout: Rollout;
  readonly requests: RequestTotals;
  /** What was seen of the targets, each time that it was read. */
  readonly targets: (readonly TargetSeen[])[];
  /** What was reported of a signal on some targets, by `reportKey`. */
  readonly violations: Map<string, ViolationReport>;
  /** What the one who looked knew of other revisions on trial, by `trialKey`. */
  readonly trials: Map<string, Trial | undefined>;
  /** Signals of which a source had told the arms, as it was read first; undefined: nobody had to know. */
  told: readonly string[] | undefined;
  /** What sources had counted before the rollout, as it was read. */
  readonly before: ObservedTotals[];
};

/** An export that a controller was sent: what it tells of, and when. */
export type Metered = {
  readonly target: string;
  readonly arms: readonly string[];
  readonly head: number;
  readonly at: number;
};

export const reportKey = (signal: string, targets: readonly string[]): string => `${signal} on ${targets.join(' ')}`;
export const trialKey = (target: string, config: string, revision: number): string => `${target} ${config} ${revision}`;

/** A ruleset that began to be served: by a target, or by one of its instances. */
export type Sighting = {
  readonly target: string;
  readonly instance?: string;
  readonly generation: number;
  readonly ruleset: JsonObject;
  /** The last position of the log at that moment. */
  readonly head: number;
  /** Epoch ms of the world's clock. */
  readonly at: number;
  /** Found on the disk of an instance that came back. */
  readonly isOld: boolean;
};

/** What a person was told. */
export type Answer = { readonly rollout: string | undefined; readonly isStart: boolean };

export const lookKey = (rollout: string, look: number): string => `${rollout} ${look}`;

/** Writes down what happens outside the log, for the rules to be checked against. It takes part in nothing. */
export class Witness {
  /** Position of the last event; events are durable from here on. */
  head = 0;
  readonly events: RecordedEvent[] = [];
  /** Command id → positions of the first event of each append under it. */
  readonly appends = new Map<string, number[]>();
  /** Rulesets that targets began to hold, and that instances began to evaluate with. */
  readonly held: Sighting[] = [];
  readonly evaluated: Sighting[] = [];
  readonly seen = new Map<string, Seen>();
  /** Position of an event of a rollout → the newest look that its writer had taken. */
  readonly decidedOn = new Map<number, number>();
  /** When each rollout was last looked at. */
  readonly lookedAt = new Map<string, number>();
  /** The highest generation that all live instances of a target were once seen to have, by position of the log. */
  readonly converged = new Map<string, { readonly generation: number; readonly head: number }[]>();
  /** Units seen on the candidate on `target model`, by the position of the event that let the stage pass. */
  readonly activation = new Map<number, ReadonlyMap<string, number>>();
  /** How long the stage had baked by the evidence, by the position of the event that let it pass. */
  readonly baked = new Map<number, number>();
  /** Rollout → pairs of answers that were sent for it, each once. */
  readonly compared = new Map<string, number>();
  /** Exports that were sent, and by `target config revision` how many requests were metered in all. */
  readonly exports: Metered[] = [];
  readonly meteredRequests = new Map<string, number>();
  /** What was broken on purpose. */
  faultsPlanted: readonly Fault[] = [];
  /** How long the watch had baked by the evidence, by the position of the event that began to settle. */
  readonly watched = new Map<number, number>();
  readonly answers: Answer[] = [];
  /** What must not be and shows in no event. */
  readonly faults: string[] = [];
  /** What happened how often, so that it can be seen whether runs come by it at all. */
  readonly came = new Map<string, number>();
  /** Called with each event as soon as it is durable. */
  onEvent: (event: RecordedEvent) => void = () => undefined;

  constructor(private readonly now: () => number) {}

  comes(by: string): void {
    this.came.set(by, (this.came.get(by) ?? 0) + 1);
  }

  appended(request: AppendRequest, result: AppendResult): void {
    if (result.kind !== 'appended') this.comes(`append: ${result.kind}`);
    if (result.kind !== 'appended' || result.events.length === 0) return;
    this.head = result.events.at(-1)?.position ?? this.head;
    for (const event of result.events) {
      this.events.push(event);
      this.onEvent(event);
    }
    const [first] = result.events;
    const id = request.command?.id ?? first?.metadata.commandId ?? '';
    this.appends.set(id, [...(this.appends.get(id) ?? []), first?.position ?? 0]);
  }

  metered(target: string, arms: readonly string[]): void {
    this.exports.push({ target, arms, head: this.head, at: this.now() });
  }

  holds(target: string, ruleset: JsonObject, generation: number): void {
    const before = this.held.findLast((sighting) => sighting.target === target);
    if (before?.generation === generation && before.ruleset === ruleset) return;
    this.held.push({ target, generation, ruleset, head: this.head, at: this.now(), isOld: false });
  }

  evaluates(target: string, instance: string, held: Pick<Sighting, 'generation' | 'ruleset'>, isOld: boolean): void {
    const { generation, ruleset } = held;
    this.evaluated.push({ target, instance, generation, ruleset, head: this.head, at: this.now(), isOld });
  }

  observed(target: string, generations: readonly number[]): void {
    if (generations.length === 0) return;
    const generation = Math.min(...generations);
    const known = this.converged.get(target) ?? [];
    if (generation <= (known.at(-1)?.generation ?? 0)) return;
    this.converged.set(target, [...known, { generation, head: this.head }]);
  }
}

/** The log in memory, with somebody who writes down every append. */
export class NotedStore extends MemoryEventStore {
  constructor(
    clock: Clock,
    private readonly witness: Witness,
  ) {
    super({ codec: eventCodec, clock });
  }

  override async append(request: AppendRequest): Promise<AppendResult> {
    const result = await super.append(request);
    this.witness.appended(request, result);
    return result;
  }
}
