import type { JsonObject, RecordedEvent } from '#libs/kernel';
import type { Assigned, Comparison, Leftover, Look, ViolationsSeen, Progress } from '#libs/domain';

export type { Progress } from '#libs/domain';

type Slice = { readonly target: string; readonly model: string };

/** A span of time, epoch ms; empty where it ends before it begins. */
export type Span = { readonly from: number; readonly until: number };

export type StoredLook = Look & {
  readonly at: number;
  readonly digest: string;
  /** Of a look that stands for several: when that was done, for how many, and the digest chained up to the last of them. */
  readonly compacted?: { readonly at: number; readonly looks: number; readonly chain: string } | undefined;
};
export type SliceTotals = Slice & {
  readonly candidateRequests: number;
  readonly controlRequests: number;
  readonly unassigned: number;
};
export type UnmeasuredTotals = Omit<SliceTotals, 'unassigned'> & { readonly signal: string };
/** Values or pairs that were measured, by arm. */
export type SampleTotals = Slice & { readonly signal: string; readonly candidate: number; readonly control: number };
/** Requests since the rollout started, by slice; of those, by signal, what did not measure it; values and pairs. */
export type RequestTotals = {
  readonly slices: readonly SliceTotals[];
  readonly unmeasured: readonly UnmeasuredTotals[];
  readonly samples: readonly SampleTotals[];
};
export type TakenLook = { readonly look: StoredLook; readonly requests: RequestTotals };
export type TargetSeen = {
  readonly target: string;
  readonly candidateAt: number | undefined;
  readonly anyAt: number | undefined;
  /** Since when requests were served without a silence of more than ten seconds; undefined: not known. */
  readonly flowingSince: number | undefined;
  /** What still came to the candidate after its control was asked for; undefined: nothing did. */
  readonly leftover?: Leftover | undefined;
  /** Signal → since and until when it was measured without a gap; `*`: every signal was. */
  readonly measured: Readonly<Record<string, Span>>;
};
export type Violation = Slice & {
  readonly instance: string;
  readonly request: string | undefined;
  readonly reporter: string;
  readonly at: number;
};
/** The same work done on two targets since the rollout started. */
export type Compared = Comparison & { /** When it was done last. */ readonly lastAt: number };
export type ViolationReport = ViolationsSeen & {
  readonly first: Violation | undefined;
};
export type Traffic = {
  readonly requests: readonly (Slice & { readonly requestsPerSecond: number })[];
  readonly bad: readonly (Slice & { readonly signal: string; readonly badPerSecond: number })[];
};

/** What sources counted of a signal in a slice, whatever ran there. */
export type ObservedTotals = Slice & { readonly signal: string; readonly requests: number; readonly bad: number };

/** What was seen of the fleets. Times are epoch ms. */
export abstract class Evidence {
  /** Takes what arrived since the last look, with the requests counted up to the same moment. */
  abstract takeLook(rollout: string, at: number): Promise<TakenLook>;
  /** Looks after `afterLook` that saw something, in order; `most` of them at most. */
  abstract readLooks(rollout: string, afterLook: number, most?: number): Promise<readonly StoredLook[]>;
  /** Requests since the rollout started, without taking a look. */
  abstract requests(rollout: string): Promise<RequestTotals>;
  /** Units by their first values of this signal; requests where it is null. */
  abstract assignments(rollout: string, signal: string | null): Promise<readonly Assigned[]>;
  /** By signal and pair of targets. */
  abstract comparisons(rollout: string): Promise<readonly Compared[]>;
  abstract activation(rollout: string): Promise<readonly (Slice & { readonly units: number })[]>;
  abstract violations(
    rollout: string,
    signal: string,
    options: { readonly lookBackMs: number; readonly now: number; readonly targets?: readonly string[] },
  ): Promise<ViolationReport>;
  /** Every target on which the rollout was seen, and those named, seen or not. */
  abstract lastSeen(rollout: string, also?: readonly string[]): Promise<readonly TargetSeen[]>;
  /** What sources counted in a time, by whole minutes; slices of which nothing was counted are missing. */
  abstract before(asked: {
    readonly signals: readonly string[];
    readonly targets: readonly string[];
    readonly fromMs: number;
    readonly untilMs: number;
  }): Promise<readonly ObservedTotals[]>;
  /** Signals of which a source said which revision served what it counted, whether anything came of control or not. */
  abstract toldArms(rollout: string): Promise<readonly string[]>;
  abstract traffic(options: { readonly now: number; readonly spanMs: number }): Promise<Traffic>;
  abstract advanceBake(
    rollout: string,
    track: string,
    stage: string,
    now: number,
    covered: Span | undefined,
    maxGapMs: number,
  ): Promise<number>;
  abstract bakedMs(
    rollout: string,
  ): Promise<readonly { readonly track: string; readonly stage: string; readonly bakedMs: number }[]>;
  abstract onEvidence(listener: (rollouts: readonly string[]) => void): () => void;
}

/** What was exposed to the candidate of a rollout in one hour, with a sketch of the units first seen in it. */
export type ExposedCell = Slice & {
  readonly rollout: string;
  /** First moment of the hour, epoch ms. */
  readonly hour: number;
  readonly requests: number;
  readonly units: readonly number[];
};

/** Who was exposed, kept also when the ids of units are gone. */
export abstract class ExposedUnits {
  /** Takes in what was seen up to `now` (epoch ms). */
  abstract take(now: number): Promise<void>;
  abstract cells(rollouts: readonly string[]): Promise<readonly ExposedCell[]>;
}

/** Folded evidence as bytes, one snapshot for each rollout. Any of them may be lost without harm. */
export abstract class Snapshots {
  abstract read(rollout: string): Promise<Buffer | undefined>;
  /** Takes the place of an older snapshot, never of one of the same or a later look. */
  abstract write(rollout: string, look: number, bytes: Buffer): Promise<void>;
  abstract remove(rollout: string): Promise<void>;
}

/** A view that was kept, in parts that only who folds can read. */
export type KeptView = {
  readonly position: number;
  /** The parts in their order; rejects after the last one where they are not what was written. */
  readonly parts: Iterable<string> | AsyncIterable<string>;
  /** The events about access up to `position`, from the log itself. */
  readonly access: () => Promise<readonly RecordedEvent[]>;
};

/** The view that is folded from the log, as it was at one position. It may be lost at any time without harm. */
export abstract class ViewSnapshots {
  /**
   * Gives the snapshot to `use` and answers what that does; undefined where there is none. Throws `UnfitSnapshotError`
   * where this build or this log does not fit it, or it is damaged.
   */
  abstract read<T>(use: (kept: KeptView) => Promise<T>): Promise<T | undefined>;
  /**
   * Takes the place of all others, all or nothing. Between two parts whoever waits for this process is served. False:
   * another controller writes one, or has a later one.
   */
  abstract write(position: number, parts: Iterable<string>): Promise<boolean>;
}

/** What was kept of the view cannot be used; the message is why. */
export class UnfitSnapshotError extends Error {
  override readonly name = 'UnfitSnapshotError';
}

export type ApplyOutcome =
  | { readonly kind: 'applied'; readonly generation: number }
  | { readonly kind: 'in-progress'; readonly generation: number }
  | { readonly kind: 'conflict'; readonly reason: string; readonly current: number | null; readonly message: string }
  | { readonly kind: 'throttled'; readonly retryAfterMs: number | null; readonly message: string }
  | { readonly kind: 'rejected' | 'denied' | 'unknown'; readonly message: string };

/** Makes targets serve rulesets, and says what they serve. */
export abstract class Delivery {
  abstract apply(target: string, ruleset: JsonObject, generation: number): Promise<ApplyOutcome>;
  /** What is live there; generation 0 where Headgate did not write it. */
  abstract read(target: string): Promise<{ readonly generation: number; readonly ruleset: JsonObject } | undefined>;
  abstract observe(target: string): Promise<{
    readonly instances: readonly {
      readonly instance: string;
      readonly generation: number;
      readonly seenAt: number;
      readonly error: string | null;
    }[];
    /** Known ones that have said nothing for longer than a heartbeat counts, which is `leaseMs`. Default: none. */
    readonly silent?: readonly { readonly instance: string; readonly seenAt: number }[];
    readonly leaseMs?: number;
  }>;
  /** What `read` gives back of a ruleset once it is live there; default: all of it. */
  heldForm(_target: string, ruleset: JsonObject): JsonObject {
    return ruleset;
  }
}

/** Why a delivery to a target failed last, of which generation, and since when they fail (epoch ms). */
export type Failing = { readonly generation: number; readonly error: string; readonly since: number };

/** Targets to which nothing can be delivered at the moment. */
export abstract class Undelivered {
  /** True when it begins: `since` of the first failure is kept, and its newest error. */
  abstract fails(target: string, failing: Failing): Promise<boolean>;
  /** Gives those of these targets that had failed before. */
  abstract arrived(targets: readonly string[]): Promise<readonly string[]>;
  abstract all(): Promise<ReadonlyMap<string, Failing>>;
}

/** Where the newest assessment of each rollout is kept for readers. */
export abstract class ProgressBoard {
  abstract put(rollout: string, progress: Progress): Promise<void>;
  abstract get(rollouts: readonly string[]): Promise<ReadonlyMap<string, Progress>>;
  /** When each was assessed last, in epoch ms: enough to see that there is something new to read. */
  abstract times(rollouts: readonly string[]): Promise<ReadonlyMap<string, number>>;
}
