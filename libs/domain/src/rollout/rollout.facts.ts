import type { Leftover, RecordedParity, RecordedVerdict } from '../events/index.js';

/** What is known of one target when a rollout is assessed. Times are epoch ms. */
export type TargetFacts = {
  /** Live instances, and how many of them evaluate with `generation` or newer. */
  readonly instances: number;
  readonly acknowledged: number;
  readonly acknowledgedGeneration: number;
  /** Live instances that have not acknowledged, by name. Default: none are named. */
  readonly behind?: readonly string[] | undefined;
  /** Instances that were live when the target was asked, and say nothing any more. Default: none. */
  readonly silent?: readonly string[] | undefined;
  /** Time since the newest ruleset was delivered, in ms; default 0. */
  readonly waitedMs?: number | undefined;
  /**
   * Where instances say nothing, because they read from the platform itself: how long after a delivery the last of them
   * has it, in ms. Default: they acknowledge.
   */
  readonly takenWithinMs?: number | undefined;
  /** Generation read back as live, without the candidate; null when it does not answer, or holds something else. */
  readonly readBack: number | null;
  /** End of the last window with traffic on the candidate, and with any traffic. */
  readonly candidateSeenAt: number | null;
  readonly trafficSeenAt: number | null;
  /** Since when there was traffic without a silence up to then; default: always. */
  readonly flowingSince?: number | undefined;
  /** The rollout that delivers the withdrawn revision here again; default: none does. */
  readonly redeliveredBy?: string | undefined;
  /** Another rollout of the config that was started here since; default: none was. */
  readonly nextRollout?: string | undefined;
  /** Why what is live could not be read; default: it could, or was not asked for. */
  readonly readError?: string | undefined;
  /** What still came to the candidate after the control was asked for; default: nothing did. */
  readonly leftover?: Leftover | undefined;
};

export type Activation = { readonly target: string; readonly model: string; readonly units: number };

/** What is known of a track that was entered. */
export type StageFacts = {
  /** The stage that bake and activation are of; null once all are passed. Facts of an earlier stage prove nothing later. */
  readonly stage: string | null;
  readonly bakedMs: number;
  readonly activation: readonly Activation[];
  /** How long nothing was measured here, in ms; 0 while evidence flows. */
  readonly silentMs: number;
};

/** A signal that decides was not measured on a target while outcomes arrived there, for so long up to the last of them. */
export type Unmeasured = { readonly target: string; readonly signal: string; readonly ms: number };

/** Everything an assessment rests on. It arrives in the command, so the same facts give the same decision. */
export type Facts = {
  readonly targets: Readonly<Record<string, TargetFacts>>;
  readonly stages: Readonly<Record<string, StageFacts>>;
  /** One per signal and track that is in a stage; with track null while the whole rollout is watched. */
  readonly verdicts: readonly RecordedVerdict[];
  readonly watch: { readonly bakedMs: number; readonly silentMs: number };
  /** What targets hold against what was asked, where that holds the rollout. */
  readonly drift?: string | undefined;
  /** One for each parity that a track waits for; default: nothing was compared. */
  readonly parity?: readonly RecordedParity[];
  /** Target → requests per second on the candidate lately, by its traffic and its share; default: not known. */
  readonly onCandidate?: Readonly<Record<string, number>> | undefined;
  /** Why the arms cannot be compared: they have not as many units as their shares say. */
  readonly skew?: string | undefined;
  /** Default: every signal is measured wherever outcomes arrive. */
  readonly unmeasured?: readonly Unmeasured[];
  /** Of a config assigned by instance: target → its live instances that can use a ruleset. Default: none are known. */
  readonly instances?: Readonly<Record<string, readonly string[]>>;
  /** Target → how long nothing was measured there, in ms; default: as long as in its whole track. */
  readonly silentMs?: Readonly<Record<string, number>>;
};
