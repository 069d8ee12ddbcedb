import { momentsOf, type Rule } from './log.js';

/** Rule 5: only a person gives a target up, only in a rollback, and the reason stays. */
export const onlyPeopleAbandon: Rule = (history) =>
  momentsOf(history).flatMap(({ event, recorded, before }) => {
    if (event.type !== 'TargetDrained' || event.data.outcome !== 'abandoned') return [];
    const isLeaving = before?.targets[event.data.target]?.wanted?.purpose === 'rollback';
    const isRight = recorded.metadata.actor.kind === 'person' && isLeaving;
    return isRight && event.data.detail !== ''
      ? []
      : [`${event.data.target} was given up by nobody at ${event.position}`];
  });

/** Rule 7: what is taken back goes to the control that was pinned when the rollout started. */
export const backToTheControl: Rule = (history) =>
  momentsOf(history).flatMap(({ event, before }) => {
    if (event.type !== 'ExposureRequested' || event.data.purpose !== 'rollback') return [];
    const { target, control, shareBp } = event.data;
    const pinned = before?.targets[target]?.control;
    return control === pinned && shareBp === 0
      ? []
      : [`${target} goes back to r${control} at ${event.position}, pinned was r${pinned ?? 'nothing'}`];
  });

/** Rule 5: what is said to be read back was there: the target held that generation or a newer one before. */
export const readBackIsTrue: Rule = (history) =>
  momentsOf(history).flatMap(({ event }) => {
    if (event.type !== 'TargetReadBack') return [];
    const { target, generation } = event.data;
    const held = history.witness.held.some(
      (sighting) => sighting.target === target && sighting.generation >= generation && sighting.head < event.position,
    );
    return held ? [] : [`${target} is said to be read back at ${event.position} and never held ${generation}`];
  });

/** Rule 5: the end names for each target that was taken back how it ended there, as it was said before. */
export const endsAreNamed: Rule = (history) =>
  momentsOf(history).flatMap(({ event, before }) => {
    if (event.type !== 'RolledBack' || !before) return [];
    const ends = Object.entries(before.targets).flatMap(([target, { wanted, ended }]) =>
      wanted?.purpose === 'rollback' ? [[target, ended]] : [],
    );
    const said = JSON.stringify(Object.fromEntries(ends));
    return JSON.stringify(event.data.targets) === said ? [] : [`rollout ${before.id} ended otherwise than ${said}`];
  });
