import type { Counted } from './counted.js';
import type { Arm } from './evidence-store.js';
import type { Exposure, ExposureLookup } from './exposure.js';

/** Why something is refused: a code that stays, and what to do about it. */
export type Fault = { readonly code: string; readonly detail: string };

/** Why there is no such revision; undefined where there is. */
export const unknownRevision = (
  config: string,
  revision: number,
  lookup: ExposureLookup,
): (Fault & { readonly field: 'config' | 'revision' }) | undefined => {
  if (revision >= 1 && lookup.knowsRevision(config, revision)) return undefined;
  // Revisions are numbered from 1, so a config without one is not registered.
  if (lookup.knowsRevision(config, 1))
    return {
      field: 'revision',
      code: 'unknown-revision',
      detail: `${config} has no revision ${revision}: report the revision that the ruleset named.`,
    };
  return {
    field: 'config',
    code: 'unknown-config',
    detail: `The config ${config} is not registered: apply its manifest first or correct the name.`,
  };
};

/** Why nothing can be counted at this place: something that it names does not exist. */
export const misplaced = (
  { target, model, arm }: Pick<Counted, 'target' | 'model' | 'arm'>,
  lookup: ExposureLookup,
): Fault | undefined => {
  if (!lookup.knowsTarget(target))
    return {
      code: 'unknown-target',
      detail: `Target ${target} is not registered: apply its manifest first or correct the name.`,
    };
  if (!lookup.knowsModel(target, model))
    return {
      code: 'unknown-model',
      detail: `Target ${target} does not serve the model ${model}: add it to the target's manifest or correct the name.`,
    };
  if (arm === undefined) return undefined;
  const { config, revision, generation } = arm;
  const fault = unknownRevision(config, revision, lookup);
  if (fault !== undefined) return { code: fault.code, detail: fault.detail };
  if (generation === undefined) return undefined;
  if (Number.isSafeInteger(generation) && lookup.find(target, config, generation) !== 'unknown-generation')
    return undefined;
  const detail = `Target ${target} never had the generation ${generation}: report the version of the ruleset that was in use.`;
  return { code: 'unknown-generation', detail };
};

type Tossed = {
  readonly config: string;
  readonly generation: number;
  readonly arm: Arm;
  readonly exposure: Exposure;
  readonly unit: string;
};

const armName = (arm: Arm): string => (arm === 'control' ? 'control' : 'the candidate');

/** Why a unit cannot have been on this arm: its key throws the same coin everywhere. */
export const coinFault = (
  { config, generation, arm, exposure, unit }: Tossed,
  lookup: ExposureLookup,
): Fault | undefined => {
  if (exposure.assignment !== 'unit' || exposure.shareBp === 0) return undefined;
  const coin = lookup.coin(exposure, unit);
  if (coin === undefined || coin === arm) return undefined;
  return {
    code: 'arm-does-not-fit-unit',
    detail: `By its key this unit is on ${armName(coin)} of ${config} under generation ${generation}, and not on ${armName(arm)}: evaluate with the pseudonym that you report, and report what that evaluation gave.`,
  };
};
