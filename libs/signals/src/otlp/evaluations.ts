import { createHash } from 'node:crypto';
import { Name, type OutcomeBatch, type OutcomeWindow } from '#libs/contracts';
import type { ExposureLookup } from '../exposure.js';
import type { Fault } from '../place-faults.js';
import type { Attributes, LogRecord, ResourceLogs } from './model.js';
import { hashOf, sorted } from './selections.js';
import { Tell } from './tell.js';

/** The event of OpenTelemetry's conventions for feature flags that OpenFeature's hooks write for each evaluation. */
const EVENT = 'feature_flag.evaluation';
/** Of a window, by the contract of outcomes. */
const MOST_UNITS = 64;
const MOST_ARMS = 200;
const MOST_WINDOWS = 500;
const SECOND_MS = 1_000;
const MAX_AHEAD_MS = 60_000;
const MOST_GENERATION = 1e15;

type Evaluation = {
  readonly target: string;
  readonly model: string;
  readonly generation: number;
  readonly config: string;
  readonly revision: number;
  /** A pseudonym; undefined: nobody's coin was thrown. */
  readonly unit: string | undefined;
  readonly secondMs: number;
};

type Arm = OutcomeWindow['arms'][number];
type ArmSoFar = { -readonly [K in keyof Omit<Arm, 'units'>]: Arm[K] } & { readonly units: Set<string> };
type WindowSoFar = Pick<Evaluation, 'target' | 'model' | 'generation' | 'secondMs'> & {
  readonly arms: Map<string, ArmSoFar>;
};

/** What evaluations become: batches that count once however often they are sent. */
export type Evaluations = { readonly batches: readonly OutcomeBatch[]; readonly refused: Tell };

const isFault = (of: object): of is Fault => 'code' in of;

const textOf = (attributes: Attributes, name: string): string | undefined => {
  const value = attributes.get(name);
  return typeof value === 'string' && value !== '' ? value : undefined;
};

/** What is kept instead of an id of a user. */
const pseudonymOf = (id: string): string => createHash('sha256').update(id).digest('hex').slice(0, 32);

/** A UUID that only this content has. */
const batchIdOf = (parts: readonly unknown[]): string => {
  const hex = createHash('sha256').update(JSON.stringify(parts)).digest('hex');
  // Version 8 of RFC 9562: an id made of something of one's own.
  const variant = ((Number.parseInt(hex[16] ?? '0', 16) & 0x3) | 0x8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
};

const fault = (code: string, detail: string): Fault => ({ code, detail });

const modelOf = (target: string, attributes: Attributes, resource: Attributes, lookup: ExposureLookup) => {
  const name = 'gen_ai.request.model';
  return textOf(attributes, name) ?? textOf(resource, name) ?? lookup.onlyModel(target);
};

/** Undefined where it is no evaluation of a ruleset of Headgate. */
const evaluationOf = (
  { attributes: sent, time }: LogRecord,
  resource: Attributes,
  now: number,
  lookup: ExposureLookup,
): Evaluation | Fault | undefined => {
  const attributes = sent.read();
  const text = (name: string) => textOf(attributes, `feature_flag.${name}`);
  const [target, config, variant] = [text('set.id'), text('key'), text('result.variant')];
  // Without a set it is another system's flag; without a variant the code's default was served.
  if (target === undefined || config === undefined || variant === undefined) return undefined;
  if (!lookup.knowsTarget(target))
    return fault('unknown-target', `Target ${target} is not registered: apply its manifest first.`);
  const revision = Number(/^r(\d{1,9})$/.exec(variant)?.[1]);
  if (!(revision >= 1) || !Name.safeParse(config).success)
    return fault('not-a-variant', `${config} and ${variant} are no config and revision: send what the ruleset gave.`);
  const generation = Number(text('version'));
  if (!Number.isInteger(generation) || generation < 0 || generation > MOST_GENERATION)
    return fault(
      'no-generation',
      'feature_flag.version is missing or no whole number: send the version of the ruleset.',
    );
  const model = modelOf(target, attributes, resource, lookup);
  if (model === undefined || !lookup.knowsModel(target, model))
    return fault(
      'no-model',
      `${target} does not serve ${model ?? 'one model only'}: send gen_ai.request.model on the record or on its resource.`,
    );
  const timeMs = time / 1_000;
  if (!(timeMs > 0) || timeMs > now + MAX_AHEAD_MS)
    return fault('in-the-future', 'Its time is missing, or more than a minute from now: set the clock.');
  const id = text('result.reason')?.toLowerCase() === 'default' ? undefined : text('context.id');
  const unit = id === undefined ? undefined : pseudonymOf(id);
  const secondMs = Math.floor(timeMs / SECOND_MS) * SECOND_MS;
  return { target, model, generation, config, revision, unit, secondMs };
};

/** Evaluations of one resource on one target, put into windows. */
class Windows {
  readonly marks: string[] = [];
  private readonly windows = new Map<string, WindowSoFar>();

  add({ target, model, generation, config, revision, unit, secondMs }: Evaluation, mark: string): void {
    this.marks.push(mark);
    const key = `${secondMs} ${model} ${generation}`;
    const window = this.windows.get(key) ?? { target, model, generation, secondMs, arms: new Map<string, ArmSoFar>() };
    this.windows.set(key, window);
    const name = `${config}@${revision}`;
    const arm = window.arms.get(name) ?? { config, revision, requests: 0, unassigned: 0, units: new Set<string>() };
    window.arms.set(name, arm);
    arm.requests += 1;
    if (unit === undefined) arm.unassigned += 1;
    else if (arm.units.size < MOST_UNITS) arm.units.add(unit);
  }

  batches(instance: string, resource: string): readonly OutcomeBatch[] {
    const windows = [...this.windows.values()].flatMap((window) => windowsOf(window));
    const target = this.windows.values().next().value?.target ?? '';
    const parts = Math.ceil(windows.length / MOST_WINDOWS);
    return Array.from({ length: parts }, (_, part) => ({
      batch: batchIdOf([target, instance, resource, part, this.marks]),
      target,
      instance,
      windows: windows.slice(part * MOST_WINDOWS, (part + 1) * MOST_WINDOWS),
    }));
  }
}

/** A request evaluates each config once at most: there were as many as of the config that was evaluated most often. */
const requestsOf = (arms: readonly Pick<Arm, 'config' | 'requests'>[]): number => {
  const sums = new Map<string, number>();
  for (const { config, requests } of arms) sums.set(config, (sums.get(config) ?? 0) + requests);
  return Math.max(0, ...sums.values());
};

/** It measures no signal: it says only who was served. */
const windowsOf = ({ model, generation, secondMs, arms }: WindowSoFar): readonly OutcomeWindow[] => {
  const all = [...arms.values()].map((arm): Arm => ({ ...arm, units: [...arm.units] }));
  const head = { from: new Date(secondMs).toISOString(), ms: SECOND_MS, model, generation, signals: [] };
  return Array.from({ length: Math.ceil(all.length / MOST_ARMS) }, (_, part) => {
    const own = all.slice(part * MOST_ARMS, (part + 1) * MOST_ARMS);
    // Requests are those of the window as a whole, counted once.
    return { ...head, requests: part === 0 ? requestsOf(all) : 0, arms: own, bad: [], values: [], pairs: [] };
  });
};

const instanceOf = (resource: Attributes): string =>
  (textOf(resource, 'service.instance.id') ?? textOf(resource, 'host.name') ?? hashOf(sorted(resource))).slice(0, 128);

/** Whether a record is of an evaluation at all; newer and older exporters name events differently. */
const isEvaluation = ({ eventName, attributes }: LogRecord): boolean =>
  eventName === EVENT || (eventName === '' && attributes.read().get('event.name') === EVENT);

/** Turns records of evaluations into outcomes that measure no signal; other records are passed over. `now` in epoch ms. */
export const evaluationsIn = (logs: readonly ResourceLogs[], now: number, lookup: ExposureLookup): Evaluations => {
  const refused = new Tell();
  const batches = logs.flatMap(({ resource, records }) => {
    const own = resource.read();
    const targets = new Map<string, Windows>();
    for (const record of records.filter(isEvaluation)) {
      const evaluation = evaluationOf(record, own, now, lookup);
      if (evaluation === undefined) continue;
      if (isFault(evaluation)) {
        refused.add(EVENT, evaluation);
        continue;
      }
      const windows = targets.get(evaluation.target) ?? new Windows();
      targets.set(evaluation.target, windows);
      windows.add(evaluation, `${record.mark} ${record.attributes.id}`);
    }
    const id = hashOf(sorted(own));
    return [...targets.values()].flatMap((windows) => windows.batches(instanceOf(own), id));
  });
  return { batches, refused };
};
