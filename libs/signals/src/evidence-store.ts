import type { Span } from './covered.js';
import type { InstancePlace } from './exposure.js';

export type { Span } from './covered.js';

export type Arm = 'candidate' | 'control';

/** A slice of traffic. */
export type Slice = { readonly target: string; readonly model: string };

/** What newly arrived for one signal in one slice, for one share. Requests are given where the coin is per request. */
export type LookCell = Slice & {
  readonly signal: string;
  /** Share of the generation the events were served under, in basis points. */
  readonly shareBp: number;
  readonly candidateBad: number;
  readonly controlBad: number;
  readonly candidateRequests?: number;
  readonly controlRequests?: number;
  /**
   * Of bad outcomes that came later than their requests, where the coin is per request: all requests of this share up to
   * the look that measured the signal, in place of the requests of the look.
   */
  readonly candidateServed?: number;
  readonly controlServed?: number;
  /**
   * Of signals that a source counts by hash buckets of units: how many times the spread of bad outcomes over the buckets
   * of control is what chance alone would make of independent requests, 1 at least. Absent below 8 buckets.
   */
  readonly dispersion?: number;
  /** Of signals of values: each value in ascending order, with how often it was seen; bad outcomes are 0 then. */
  readonly bins?: readonly (readonly [value: number, candidate: number, control: number])[];
  /** Where instances are drawn: how many the draw was from, and what each that was heard of served, by name. */
  readonly drawn?: number;
  readonly instances?: readonly InstanceOfLook[];
};

/** Requests and the bad ones among them, or values and their sum. */
export type InstanceOfLook = readonly [instance: string, place: InstancePlace, count: number, sum: number];

/** One evaluation's worth of new evidence. Numbers grow by one from 1; an empty look is counted but not kept. */
export type StoredLook = {
  readonly rollout: string;
  readonly look: number;
  /** Epoch milliseconds. */
  readonly at: number;
  /** Sorted by signal, target, model and share; none when nothing arrived. */
  readonly cells: readonly LookCell[];
  /** SHA-256 of the canonical JSON of the cells, in hexadecimal. */
  readonly digest: string;
  /** Of a look that stands for several, after its rollout has ended; it has the number and the time of the last of them. */
  readonly compacted?: Compacted | undefined;
};

export type Compacted = {
  /** Epoch milliseconds. */
  readonly at: number;
  /** How many looks that saw something it stands for. */
  readonly looks: number;
  /** Digest chained over the looks as they were folded, from the first one to the last that it stands for. */
  readonly chain: string;
};

/** Requests since the rollout started, under generations whose share was above zero. */
export type SliceTotals = Slice & {
  readonly candidateRequests: number;
  readonly controlRequests: number;
  /** Requests without a targeting key, on whichever arm. */
  readonly unassigned: number;
};

/** Bad outcomes that count: first ones per unit, or each where the coin is per request. */
export type BadTotals = Slice & {
  readonly signal: string;
  readonly candidateBad: number;
  readonly controlBad: number;
};

/** Requests of the totals in which a signal of the plan was not measured. */
export type UnmeasuredTotals = Slice & {
  readonly signal: string;
  readonly candidateRequests: number;
  readonly controlRequests: number;
};

/** How many values or pairs were measured on either arm. */
export type SampleTotals = Slice & {
  readonly signal: string;
  readonly candidate: number;
  readonly control: number;
};

export type RolloutTotals = {
  readonly slices: readonly SliceTotals[];
  readonly bad: readonly BadTotals[];
  readonly unmeasured: readonly UnmeasuredTotals[];
  readonly samples: readonly SampleTotals[];
};

/** The requests of the totals, without the bad outcomes. */
export type RequestTotals = Pick<RolloutTotals, 'slices' | 'unmeasured' | 'samples'>;

/** A look, and the requests up to the same moment: what is judged by both is judged on one state of the counts. */
export type TakenLook = { readonly look: StoredLook; readonly requests: RequestTotals };

/** Distinct units seen on the candidate; counting stops at `UNIT_CAP`. */
export type SliceActivation = Slice & { readonly units: number };

/** One violation of an invariant in full. */
export type Violation = Slice & {
  readonly arm: Arm;
  readonly generation: number;
  readonly instance: string;
  readonly request: string | undefined;
  /** Name of the token that reported it. */
  readonly reporter: string;
  /** End of the window it was seen in, epoch milliseconds. */
  readonly at: number;
};

/** Violations that were served under one combination of revisions on one target. */
export type ViolationGroup = {
  readonly target: string;
  /** Config → revision. */
  readonly revisions: Readonly<Record<string, number>>;
  readonly violations: number;
};

export type ViolationReport = {
  /** On the candidate in this rollout. */
  readonly candidate: readonly ViolationGroup[];
  /**
   * Those of other revisions of its config, or of none, on its targets within the look-back, before the rollout too.
   * Not all of them are its control: some may be of a revision that was withdrawn.
   */
  readonly elsewhere: readonly ViolationGroup[];
  /** The first on the candidate to arrive. */
  readonly first: Violation | undefined;
};

export type ViolationOptions = {
  readonly lookBackMs: number;
  /** Epoch milliseconds. */
  readonly now: number;
  /** Where violations count; default: the targets on which this rollout was seen. */
  readonly targets?: readonly string[];
};

/** What still came to a candidate on a target after its control had been asked for there. Times are epoch ms. */
export type Leftover = {
  readonly requests: number;
  /** Distinct units that were named; counting stops at `UNIT_CAP`. */
  readonly units: number;
  /** Begin of the first such window, and end of the last one. */
  readonly firstAt: number;
  readonly lastAt: number;
};

/** The last windows in which requests were served on a target, epoch milliseconds. */
export type TargetSeen = {
  readonly target: string;
  /** On the candidate, whatever the share was. */
  readonly candidateAt: number | undefined;
  /** Under any revision of anything. */
  readonly anyAt: number | undefined;
  /** Since when there was no silence of more than ten seconds up to `anyAt`. */
  readonly flowingSince: number | undefined;
  /** Undefined where nothing came after the rollout was taken back, or it was not. */
  readonly leftover?: Leftover | undefined;
  /**
   * Signal → since and until when windows that measured it follow each other without a gap; `*` are the windows that
   * measured every signal.
   */
  readonly measured: Readonly<Record<string, Span>>;
};

/** Units, or requests, of one target at one share. */
export type Assigned = {
  readonly target: string;
  readonly shareBp: number;
  readonly candidate: number;
  readonly control: number;
};

export type RequestRate = Slice & { readonly requestsPerSecond: number };
export type BadRate = Slice & { readonly signal: string; readonly badPerSecond: number };
export type Traffic = { readonly requests: readonly RequestRate[]; readonly bad: readonly BadRate[] };

/** What sources counted of a signal in a slice, whatever ran there. */
export type ObservedTotals = Slice & {
  readonly signal: string;
  readonly requests: number;
  readonly bad: number;
  readonly valueCount: number;
  /** Of the values as they were counted, not of their bins. */
  readonly valueSum: number;
};

export type ObservedAsked = {
  readonly signals: readonly string[];
  readonly targets: readonly string[];
  /** Epoch milliseconds; only whole minutes between the two count. */
  readonly fromMs: number;
  readonly untilMs: number;
};

export type StageBake = { readonly track: string; readonly stage: string; readonly bakedMs: number };

/** How often the same work was done on two targets, and was bad on one of them only. */
export type Compared = {
  readonly signal: string;
  /** The one of the two targets whose name comes first. */
  readonly left: string;
  readonly right: string;
  readonly pairs: number;
  readonly leftOnly: number;
  readonly rightOnly: number;
  /** When it was done last, epoch milliseconds. */
  readonly lastAt: number;
};

/** Distinct units that are kept per rollout, target and model; enough to prove activation. */
export const UNIT_CAP = 512;

/** What was seen, as rows. All of it survives a crash; any number of controllers may use one database. */
export abstract class EvidenceStore {
  /** Takes everything that arrived since the last look, once, whoever asks. */
  abstract takeLook(rollout: string, at: number): Promise<TakenLook>;
  async foldLook(rollout: string, at: number): Promise<StoredLook> {
    return (await this.takeLook(rollout, at)).look;
  }
  /** Looks after `afterLook` that saw something, in order; `most` of them at most. */
  abstract readLooks(rollout: string, afterLook: number, most?: number): Promise<readonly StoredLook[]>;
  /** The number of the last look, empty ones included; 0 before the first. */
  abstract lookCount(rollout: string): Promise<number>;
  abstract requests(rollout: string): Promise<RequestTotals>;
  /** Units by their first values of this signal, by target and share; requests where it is null. */
  abstract assignments(rollout: string, signal: string | null): Promise<readonly Assigned[]>;
  /** What was compared for the rollout since it started, by signal and pair of targets. */
  abstract comparisons(rollout: string): Promise<readonly Compared[]>;
  abstract totals(rollout: string): Promise<RolloutTotals>;
  abstract activation(rollout: string): Promise<readonly SliceActivation[]>;
  abstract violations(rollout: string, signal: string, options: ViolationOptions): Promise<ViolationReport>;
  /** Every target on which the rollout was seen, and those named, seen or not. */
  abstract lastSeen(rollout: string, also?: readonly string[]): Promise<readonly TargetSeen[]>;
  /** Rates over the last `spanMs`, or since a slice was first seen if that is later. */
  abstract traffic(options: { readonly now: number; readonly spanMs: number }): Promise<Traffic>;
  /** What sources counted in a time, such as before a rollout; slices of which nothing was counted are missing. */
  abstract before(asked: ObservedAsked): Promise<readonly ObservedTotals[]>;
  /** Signals of which a source said which revision served what it counted, so that control comes to be known by itself. */
  abstract toldArms(rollout: string): Promise<readonly string[]>;
  /**
   * Adds what the span covers and was not added before to the stage's bake. What lies before the first call never
   * counts, nor what lies in a silence of all controllers, but for its last `maxGapMs`. Without a span the time up to now
   * is passed over. Gives the baked milliseconds.
   */
  abstract advanceBake(
    rollout: string,
    track: string,
    stage: string,
    now: number,
    covered: Span | undefined,
    maxGapMs: number,
  ): Promise<number>;
  abstract bakedMs(rollout: string): Promise<readonly StageBake[]>;
  /** Rings when this process wrote evidence of these rollouts; may be lost without harm. Returns what unsubscribes. */
  abstract onEvidence(listener: (rollouts: readonly string[]) => void): () => void;
}
