import { sameJson, unreachable, type JsonObject } from '#libs/kernel';
import type { HeadgateEvent, InstanceDraw, Recorded, ResolvedPlan, TargetEvent } from '../events/index.js';
import type { Assignment } from '../rollout/index.js';
import type { Trial } from '../verdicts/index.js';
import type { Drift } from '../target/index.js';
import { configDecider, isServed, liveRevision, type ConfigState, type RegisteredConfig } from '../config/config.js';

/** What is desired of one config on one target since a position of the log. */
export type Desired = {
  readonly since: number;
  readonly config: string;
  readonly control: number;
  readonly candidate: number | null;
  readonly shareBp: number;
  readonly rollout: string | null;
  /** Which instances serve the candidate, where the lot decides; null otherwise. */
  readonly instances: InstanceDraw | null;
  /** Those of them that were chosen for an earlier exposure of the rollout. */
  readonly kept: readonly string[];
  /** Clients are told to drop what sessions have stuck to, and for which rollout; default: they are not. */
  readonly stickiness?: 'drop';
  readonly clearedFor?: string;
};

export type FleetTarget = {
  readonly target: string;
  readonly platform: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly models: readonly string[];
  readonly driver: string;
  readonly settings: JsonObject;
  readonly retired: boolean;
  /** Newest generation that every known instance has acknowledged; 0 before the first. */
  readonly acknowledged: number;
  /** What it was last found to hold against what was asked; null while it holds that. */
  readonly drift: Drift | null;
  /** Position of the last event that changed its ruleset. */
  readonly generation: number;
  readonly version: number;
};

export type RolloutFacts = { readonly config: string; readonly assignment: Assignment; readonly plan: ResolvedPlan };

/** One thing that a fleet holds, as JSON. */
export type FleetEntry =
  | readonly [kind: 'config', config: RegisteredConfig]
  | readonly [kind: 'target', target: FleetTarget]
  | readonly [kind: 'exposures', target: string, config: string, history: readonly BriefExposure[]]
  | readonly [kind: 'cleared', target: string, config: string, rollout: string];

/** There are very many of them: values only, in the order of `Desired` without the config. */
type BriefExposure = readonly [
  since: number,
  control: number,
  candidate: number | null,
  shareBp: number,
  rollout: string | null,
  instances: InstanceDraw | null,
  kept: readonly string[],
];

type TargetChange = Exclude<TargetEvent, { type: 'TargetRegistered' }>;

const changeOf = (event: TargetChange): Partial<FleetTarget> => {
  switch (event.type) {
    case 'TargetLabelled': {
      const { labels, models, settings } = event.data;
      return { labels, models, settings };
    }
    case 'TargetRetired':
      return { retired: true };
    case 'GenerationAcknowledged':
      return { acknowledged: event.data.generation };
    case 'DriftFound':
      return { drift: event.data };
    case 'DriftEnded':
      return { drift: null };
    default:
      return unreachable(event);
  }
};

const SEPARATOR = '\u0000';
const slot = (target: string, config: string): string => `${target}${SEPARATOR}${config}`;
const partsOf = (key: string): readonly [target: string, config: string] => {
  const [target = '', config = ''] = key.split(SEPARATOR);
  return [target, config];
};

const briefly = ({ since, control, candidate, shareBp, rollout, instances, kept }: Desired): BriefExposure => [
  since,
  control,
  candidate,
  shareBp,
  rollout,
  instances,
  kept,
];

/**
 * The whole fleet as the log desires it: every config, every target, and for each pair the history of exposures. One
 * instance folds the log from the start; it is the live projection behind rulesets, `at` and the resolution of outcomes.
 */
export class Fleet {
  readonly #configs = new Map<string, RegisteredConfig>();
  readonly #targets = new Map<string, FleetTarget>();
  readonly #exposures = new Map<string, Desired[]>();
  readonly #rollouts = new Map<string, RolloutFacts>();
  /** Where clients were told to drop what sessions have stuck to → the rollout for which they were. */
  readonly #cleared = new Map<string, string>();
  #position = 0;

  /** Position of the last event folded in. */
  get position(): number {
    return this.#position;
  }

  get configs(): ReadonlyMap<string, RegisteredConfig> {
    return this.#configs;
  }

  get targets(): ReadonlyMap<string, FleetTarget> {
    return this.#targets;
  }

  rollout(id: string): RolloutFacts | undefined {
    return this.#rollouts.get(id);
  }

  /** Folds one event in and names the targets whose ruleset it changed. Events at or before `position` change nothing. */
  apply(event: Recorded<HeadgateEvent>): readonly string[] {
    if (event.position <= this.#position) return [];
    this.#position = event.position;
    const changed = this.#fold(event);
    for (const target of changed) this.#touch(target, event.position);
    return changed;
  }

  /** What is desired of every served config on a target; empty for an unknown target. */
  desired(target: string): readonly Desired[] {
    if (!this.#targets.has(target)) return [];
    return [...this.#configs.values()]
      .filter(({ kind, status, revisions }) => isServed(kind) && status === 'registered' && revisions.length > 0)
      .map((config) => this.#wanted(target, config));
  }

  /** The same of one config; undefined where the target or the config is not known, retired, or not served. */
  desiredOf(target: string, key: string): Desired | undefined {
    const config = this.#configs.get(key);
    if (!config || !this.#targets.has(target)) return undefined;
    const isThere = isServed(config.kind) && config.status === 'registered' && config.revisions.length > 0;
    return isThere ? this.#wanted(target, config) : undefined;
  }

  /** What was desired of a config on a target under a generation: the share that outcomes of it were served with. */
  exposureAt(target: string, config: string, generation: number): Desired | undefined {
    const history = this.#exposures.get(slot(target, config)) ?? [];
    for (let index = history.length - 1; index >= 0; index -= 1) {
      const entry = history[index];
      if (entry && entry.since <= generation) return entry;
    }
    return undefined;
  }

  /**
   * The newest rollout of this config on this target that had this candidate, if it was taken back; also while another
   * revision is already on its way there.
   */
  withdrawn(target: string, config: string, revision: number): string | undefined {
    const history = this.#exposures.get(slot(target, config)) ?? [];
    const shown = history.findLast(({ candidate, shareBp }) => candidate === revision && shareBp > 0);
    const last = shown && history.findLast(({ rollout }) => rollout === shown.rollout);
    return last?.shareBp === 0 ? (last.rollout ?? undefined) : undefined;
  }

  /** The rollout that asked for this candidate on a target after another one had taken it back; undefined: none has. */
  redeliveredBy(target: string, config: string, revision: number, withdrawnBy: string): string | undefined {
    const newest = this.#exposures.get(slot(target, config))?.at(-1);
    const isAgain = newest?.candidate === revision && newest.shareBp > 0 && newest.rollout !== withdrawnBy;
    return isAgain ? (newest.rollout ?? undefined) : undefined;
  }

  /** A rollout that asked something of the target for this config after this one; undefined: none has. */
  nextRollout(target: string, config: string, rollout: string): string | undefined {
    const newest = this.#exposures.get(slot(target, config))?.at(-1)?.rollout ?? undefined;
    return newest === rollout ? undefined : newest;
  }

  /** What a revision is on trial for on a target: the newest rollout that showed it there runs, or has taken it back. */
  onTrial(target: string, config: string, revision: number): Trial | undefined {
    const known = this.#configs.get(config);
    if (!known || liveRevision(known, target) === revision) return undefined;
    const history = this.#exposures.get(slot(target, config)) ?? [];
    const shown = history.findLast(({ candidate, shareBp }) => candidate === revision && shareBp > 0);
    const last = shown && history.findLast(({ rollout }) => rollout === shown.rollout);
    if (!last || (last.shareBp > 0 && known.claims[target] !== last.rollout)) return undefined;
    const signals = this.#rollouts.get(last.rollout ?? '')?.plan.signals ?? [];
    const isJudgedBy = (name: string): boolean => signals.some(({ signal, shadow }) => signal === name && !shadow);
    return { shareBp: last.shareBp, isJudgedBy };
  }

  valueOf(config: string, revision: number): JsonObject | undefined {
    return this.#configs.get(config)?.revisions.find((candidate) => candidate.revision === revision)?.value;
  }

  /**
   * All that it holds now but facts of rollouts, piece by piece; events that are folded in meanwhile do not show. `hold`
   * takes it into an empty fleet.
   */
  held(): Iterable<FleetEntry> {
    const [configs, targets] = [[...this.#configs.values()], [...this.#targets.values()]];
    const exposures = [...this.#exposures].map(([key, history]) => ({ key, history, length: history.length }));
    const cleared = [...this.#cleared];
    return (function* entries(): Generator<FleetEntry> {
      for (const config of configs) yield ['config', config];
      for (const target of targets) yield ['target', target];
      for (const { key, history, length } of exposures)
        yield ['exposures', ...partsOf(key), history.slice(0, length).map(briefly)];
      for (const [key, rollout] of cleared) yield ['cleared', ...partsOf(key), rollout];
    })();
  }

  /** Takes in what another fleet held. */
  hold(entry: FleetEntry): void {
    switch (entry[0]) {
      case 'config':
        this.#configs.set(entry[1].key, entry[1]);
        return;
      case 'target':
        this.#targets.set(entry[1].target, entry[1]);
        return;
      case 'exposures': {
        const [, target, config, history] = entry;
        const desired = history.map(([since, control, candidate, shareBp, rollout, instances, kept]): Desired => ({
          since,
          config,
          control,
          candidate,
          shareBp,
          rollout,
          instances,
          kept,
        }));
        this.#exposures.set(slot(target, config), desired);
        return;
      }
      case 'cleared':
        this.#cleared.set(slot(entry[1], entry[2]), entry[3]);
        return;
      default:
        unreachable(entry);
    }
  }

  holdRollout(id: string, facts: RolloutFacts): void {
    this.#rollouts.set(id, facts);
  }

  /** Everything up to here is taken in. */
  heldUpTo(position: number): void {
    this.#position = position;
  }

  #wanted(target: string, config: RegisteredConfig): Desired {
    const desired = this.#held(target, config) ?? this.#resting(target, config);
    const clearedFor = this.#cleared.get(slot(target, config.key));
    return clearedFor === undefined ? desired : { ...desired, stickiness: 'drop', clearedFor };
  }

  /** What the rollout that holds the target asked for last; once it lets go, the target rests on last known good. */
  #held(target: string, config: RegisteredConfig): Desired | undefined {
    const newest = this.#exposures.get(slot(target, config.key))?.at(-1);
    return newest && config.claims[target] === newest.rollout ? newest : undefined;
  }

  #resting(target: string, config: RegisteredConfig): Desired {
    return {
      since: 0,
      config: config.key,
      control: liveRevision(config, target),
      candidate: null,
      shareBp: 0,
      rollout: null,
      instances: null,
      kept: [],
    };
  }

  #touch(target: string, generation: number): void {
    const known = this.#targets.get(target);
    if (known) this.#targets.set(target, { ...known, generation });
  }

  #fold(event: Recorded<HeadgateEvent>): readonly string[] {
    switch (event.type) {
      case 'ConfigRegistered':
      case 'SchemaChanged':
      case 'TargetsClaimed':
      case 'TargetsReleased':
        this.#evolveConfig(event.data.key, event);
        return [];
      case 'RevisionProposed':
      case 'ConfigRetired': {
        const config = this.#evolveConfig(event.data.key, event);
        const changes =
          config !== undefined && isServed(config.kind) && (event.type === 'ConfigRetired' || event.data.baseline);
        return changes ? [...this.#targets.keys()] : [];
      }
      case 'TargetRegistered': {
        const { target } = event.data;
        this.#targets.set(target, {
          ...event.data,
          retired: false,
          acknowledged: 0,
          drift: null,
          generation: event.position,
          version: 1,
        });
        return [target];
      }
      case 'TargetLabelled':
      case 'TargetRetired':
      case 'GenerationAcknowledged':
      case 'DriftFound':
      case 'DriftEnded':
        return this.#evolveTarget(event);
      case 'RolloutPlanned': {
        const { rollout, config, assignment, plan } = event.data;
        this.#rollouts.set(rollout, { config, assignment, plan });
        return [];
      }
      case 'ExposureRequested':
        return [this.#expose(event)];
      case 'StickinessDropped':
        return [this.#clear(event)];
      default:
        return [];
    }
  }

  #evolveConfig(key: string, event: Parameters<typeof configDecider.evolve>[1]): RegisteredConfig | undefined {
    const state: ConfigState = this.#configs.get(key) ?? configDecider.initial;
    const next = configDecider.evolve(state, event);
    if (next.status === 'unknown') return undefined;
    this.#configs.set(key, next);
    return next;
  }

  /** Other settings may lead to another place, and what drifted is put back under a generation of its own. */
  #evolveTarget(event: Recorded<TargetChange>): readonly string[] {
    const known = this.#targets.get(event.data.target);
    if (!known) return [];
    const next = { ...known, version: known.version + 1, ...changeOf(event) };
    this.#targets.set(known.target, next);
    const isPutBack = event.type === 'DriftFound' && event.data.action === 'put-back';
    return isPutBack || !sameJson(known.settings, next.settings) ? [known.target] : [];
  }

  #expose({ data, position }: Recorded<Extract<HeadgateEvent, { type: 'ExposureRequested' }>>): string {
    const { target, config, candidate, control, shareBp, rollout, instances } = data;
    const key = slot(target, config);
    const history = this.#exposures.get(key) ?? [];
    const before = history.at(-1);
    const kept = before?.rollout === rollout ? (before.instances?.candidate ?? []) : [];
    history.push({ since: position, config, control, candidate, shareBp, rollout, instances, kept });
    this.#exposures.set(key, history);
    // Whoever shows a revision there now may have sessions stick to it again.
    if (shareBp > 0) this.#cleared.delete(key);
    return target;
  }

  /** Holds until a revision of the config is shown there again; of a rollout that another one followed it does nothing. */
  #clear({ data }: Recorded<Extract<HeadgateEvent, { type: 'StickinessDropped' }>>): string {
    const { target, config, rollout } = data;
    if (this.nextRollout(target, config, rollout) === undefined) this.#cleared.set(slot(target, config), rollout);
    return target;
  }
}
