import { z } from 'zod';
import { Driver, DriverSettings, settingsIssues } from './drivers.js';
import { Assignment, Duration, Name, Reason, Share } from './primitives.js';
import { SignalType } from './signal-type.js';
import { SourceConnection } from './source-manifest.js';
import { SignalSource, sourceFaults } from './sources.js';

export const API_VERSION = 'headgate.dev/v1';

const JsonValue: z.ZodType<unknown> = z.json();
const Metadata = z.strictObject({ name: Name });
const head = { apiVersion: z.literal(API_VERSION), metadata: Metadata };

/** What every manifest begins with, whatever its kind. */
export const ManifestHead = z.object(head);

export const ConfigManifest = z
  .strictObject({
    ...head,
    kind: z.literal('Config'),
    spec: z.strictObject({
      kind: z.enum(['quality', 'weights', 'switch']).default('quality'),
      assignment: Assignment.default('unit'),
      /** Left out, it stays as it is. */
      description: z.string().max(500).optional(),
      /** JSON Schema (2020-12) that every revision must fit. Left out, it stays as it is; at first `{}`, which fits all. */
      schema: z.record(z.string(), JsonValue).optional(),
      /** The revision's value: a JSON object. */
      value: z.record(z.string(), JsonValue),
      /**
       * What clients serve when they have no ruleset. Where it differs from the value when the config is first applied, it
       * is the baseline, and the value is revision 2, for a plan to roll out.
       */
      codeDefault: z.record(z.string(), JsonValue).optional(),
      /** Why; recorded where the request as a whole gives no reason. */
      reason: Reason.optional(),
      links: z.array(z.url().max(500)).max(10).default([]),
    }),
  })
  .meta({ id: 'ConfigManifest' });

type SignalFields = {
  readonly type: SignalType;
  readonly frequent?: boolean | undefined;
  readonly worse?: string | undefined;
  readonly range?: readonly [number, number] | undefined;
  readonly unit?: string | undefined;
  readonly source?: unknown;
};

type SignalFault = { readonly field: keyof SignalFields; readonly message: string };

/** Fields that do not fit the type, and those that it needs. */
const signalFaults = ({ type, frequent, worse, range, unit, source }: SignalFields): readonly SignalFault[] => {
  const isOfValues = type === 'mean' || type === 'distribution';
  const only = (field: keyof SignalFields, which: string): SignalFault => ({
    field,
    message: `${field} is for signals of type ${which}: leave it out, or change the type`,
  });
  const faults: SignalFault[] = [];
  if (frequent !== undefined && type !== 'rate') faults.push(only('frequent', 'rate'));
  if (worse !== undefined && !isOfValues) faults.push(only('worse', 'mean or distribution'));
  if (unit !== undefined && !isOfValues) faults.push(only('unit', 'mean or distribution'));
  if (range !== undefined && type !== 'mean') faults.push(only('range', 'mean'));
  if (source !== undefined && (type === 'invariant' || type === 'paired'))
    faults.push(only('source', 'rate, mean or distribution'));
  if (range === undefined && type === 'mean')
    faults.push({
      field: 'range',
      message: 'a mean needs the lowest and the highest value there can be, such as [0, 1]',
    });
  if (range !== undefined && range[0] >= range[1])
    faults.push({ field: 'range', message: 'the lowest value must be below the highest' });
  return faults;
};

export const SignalManifest = z
  .strictObject({
    ...head,
    kind: z.literal('Signal'),
    spec: z
      .strictObject({
        /**
         * `invariant`: should never be seen. `rate`: bad outcomes per unit or request. `mean`: values between two limits,
         * such as scores. `distribution`: positive values whose tail matters, such as latencies and lengths. `paired`: the
         * same work done on both arms, of which the pairs count that differ.
         */
        type: SignalType,
        /** What is counted or measured, as it reads in a sentence: "script errors". */
        title: z.string().min(1).max(80),
        description: z.string().max(500).optional(),
        /** Of a rate of a config assigned by request: 5% of requests or more are bad, so harm is a ratio of odds. */
        frequent: z.boolean().optional(),
        /** Of a mean or a distribution: the direction in which it may not go. */
        worse: z.enum(['higher', 'lower']).optional(),
        /** Of a mean, needed: the lowest and the highest value there can be, not below 0. */
        range: z.tuple([z.number().min(0).max(1e12), z.number().positive().max(1e12)]).optional(),
        /** Of a mean or a distribution: the unit as it reads in a sentence, such as ms. */
        unit: z.string().min(1).max(20).optional(),
        /** Within what time after its request an outcome is known; left out, with the request. No stage passes sooner. */
        delay: Duration.optional(),
        /** What counts it; left out, it comes as outcomes. */
        source: SignalSource.optional(),
      })
      .superRefine((spec, context) => {
        for (const { field, message } of signalFaults(spec))
          context.addIssue({ code: 'custom', path: [field], message });
        for (const { path, message } of sourceFaults(spec.type, spec.source))
          context.addIssue({ code: 'custom', path: ['source', ...path], message });
      }),
  })
  .meta({ id: 'SignalManifest' });

export const TargetManifest = z
  .strictObject({
    ...head,
    kind: z.literal('Target'),
    spec: z
      .strictObject({
        platform: Name,
        labels: z.record(Name, z.string().min(1).max(100)).default({}),
        models: z.array(Name).min(1).max(50),
        /** How its rulesets get there. */
        driver: Driver.default('pull'),
        /** Where there is, and how: by driver. Never a secret. */
        settings: DriverSettings.default({}),
      })
      .superRefine(({ driver, settings }, context) => {
        for (const { path, message } of settingsIssues(driver, settings))
          context.addIssue({ code: 'custom', path: ['settings', ...path], message: message });
      }),
  })
  .meta({ id: 'TargetManifest' });

/** A margin above 1, or `none`: go on without proof of harmlessness. */
const Tolerate = z.union([z.number().gt(1).max(100), z.literal('none')]);

/** Where a signal is not measured: hold the rollout, take it back, or say so and go on without the signal. */
export const MissingPolicy = z.enum(['hold', 'roll-back', 'warn']);

const PlanSignal = z.strictObject({
  signal: Name,
  /** Roll back when the ratio to control is shown to be above this. */
  harm: z.number().min(1).max(100).default(1),
  /** Go on when the ratio is shown to be below this; by default by stage: none below 5%, 3 below 25%, 2 below 100%, 1.5 to settle. */
  tolerate: Tolerate.optional(),
  /** Share of the error bound, relative to the other signals. */
  weight: z.number().positive().max(1_000).default(1),
  /** Measured and shown, decides nothing. */
  shadow: z.boolean().default(false),
  /** What happens where it is not measured for longer than the grace: by default the rollout is held. */
  missing: MissingPolicy.default('hold'),
  /** How long it may be missing; by default the grace of the plan. */
  grace: Duration.optional(),
  /**
   * What a `fail` does: by default it takes the rollout back. Of a signal that a source counts, which the bound does not
   * cover, it holds the rollout by default.
   */
  onFail: MissingPolicy.optional(),
  /** The worst rate (0.02 is 2%) or mean that is borne, whatever control does. Of signals that a source counts. */
  limit: z.number().min(0).max(1e12).optional(),
});

/** As good on the same work, on two tracks: what must be shown before a track starts. */
const Parity = z.strictObject({
  /** Of type paired. */
  signal: Name,
  /** The two tracks; both must have started before this one may. */
  between: z.tuple([Name, Name]),
  /** How far apart the shares of bad answers may be, such as 2%. */
  within: Share,
});

const PlanStage = z.strictObject({
  exposure: Share,
  /** Time the stage must hold while evidence flows. */
  bake: Duration,
  /** Distinct units on the candidate in every hardware × model cell. */
  activation: z.int().min(0).max(1_000_000).default(50),
  /** Requests on the candidate, over all targets of the track. */
  samples: z.int().min(0).max(1_000_000_000).default(0),
  tolerate: z.record(Name, Tolerate).default({}),
});

/** Which targets: a list of names, or labels that all must match (`platform` is a label too). */
export const TargetSelector = z.union([
  z.array(Name).min(1).max(500),
  z.record(Name, z.string()).refine((labels) => Object.keys(labels).length > 0, 'name at least one label'),
]);
export type TargetSelector = z.output<typeof TargetSelector>;

const PlanTrack = z.strictObject({
  name: Name,
  targets: TargetSelector,
  /** `<track>/<stage>` that must have passed first, such as api/50%. */
  after: z.string().max(120).optional(),
  /** What must be shown of other tracks before this one starts. */
  parity: z.array(Parity).max(20).default([]),
  stages: z.array(PlanStage).min(1).max(50),
});

export const PlanManifest = z
  .strictObject({
    ...head,
    kind: z.literal('Plan'),
    spec: z.strictObject({
      /** Highest chance that a harmless rollout is rolled back by its statistical signals. */
      alpha: z.number().gt(0).max(0.1).default(0.001),
      holdback: Share.default(100),
      /** Why there is no holdback; needed when it is 0%. */
      holdbackReason: Reason.optional(),
      watch: Duration.default(86_400_000),
      /** Traffic on a withdrawn revision must be gone for this long. */
      drain: Duration.default(300_000),
      /** How long a stage may stay unmeasured before it is said to hold. */
      grace: Duration.default(60_000),
      /** How much a `fail` takes back: the whole rollout, or the track in which it was found. */
      rollbackScope: z.enum(['rollout', 'track']).default('rollout'),
      /**
       * In which order targets are asked to go back: by default those first on which the candidate has most traffic; or as
       * the plan lists them; or these first, then the others by their traffic. Nobody waits for another one's answer.
       */
      rollbackOrder: z.union([z.enum(['blast-radius', 'plan']), z.array(Name).min(1).max(500)]).optional(),
      /**
       * What is done about requests that still come to a withdrawn revision after the drain time: by default they are
       * waited for; `clear` tells clients to drop what sessions have stuck to.
       */
      leftovers: z.enum(['wait', 'clear']).optional(),
      /**
       * Which of the known instances of a target must have acknowledged before a stage goes on: `all` of them, or, once
       * the others have had their time, a `quorum`.
       */
      convergence: z
        .union([z.literal('all'), z.strictObject({ quorum: Share, within: Duration })], {
          error: 'write all, or a quorum and its time: { quorum: 95%, within: 5m }',
        })
        .default('all'),
      /**
       * Why a rollout may go by this plan although, with the traffic there is, none of its signals could ever tell that it
       * does harm. Without it such a start is refused.
       */
      acceptBlind: Reason.optional(),
      signals: z.array(PlanSignal).min(1).max(100),
      tracks: z.array(PlanTrack).min(1).max(50),
    }),
  })
  .meta({ id: 'PlanManifest' });

/** A metrics system that Headgate asks, by itself, for what signals name. */
export const SourceManifest = z
  .strictObject({ ...head, kind: z.literal('Source'), spec: SourceConnection })
  .meta({ id: 'SourceManifest' });

/** Kinds that the design names and a later release brings. */
export const LATER_KINDS = ['Policy', 'Freeze', 'Approval', 'Monitor'] as const;

export const Manifest = z.discriminatedUnion('kind', [
  ConfigManifest,
  SignalManifest,
  TargetManifest,
  PlanManifest,
  SourceManifest,
]);
export type Manifest = z.output<typeof Manifest>;
export type ConfigManifest = z.output<typeof ConfigManifest>;
export type SignalManifest = z.output<typeof SignalManifest>;
export type TargetManifest = z.output<typeof TargetManifest>;
export type PlanManifest = z.output<typeof PlanManifest>;
export type SourceManifest = z.output<typeof SourceManifest>;
