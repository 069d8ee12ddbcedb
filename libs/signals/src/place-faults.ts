import type { Counted } from './counted.js';
import type { ExposureLookup } from './exposure.js';

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
