import type { EventView } from '#libs/contracts';

/** The beginning of a key of the cache: everything under it is to be read again. */
export type Touched = readonly string[];

const rolloutOf = (data: unknown): string | undefined =>
  typeof data === 'object' && data !== null && 'rollout' in data && typeof data.rollout === 'string'
    ? data.rollout
    : undefined;

const configOf = ({ stream }: EventView): string | undefined =>
  stream.startsWith('config-') ? stream.slice('config-'.length) : undefined;

/** What an event makes old. */
export const touchedBy = (event: EventView): readonly Touched[] => {
  const rollout = event.stream.startsWith('rollout-') ? event.stream.slice('rollout-'.length) : rolloutOf(event.data);
  const config = configOf(event);
  return [
    ['board'],
    ...(rollout === undefined ? [] : [['rollout', rollout], ['evidence', rollout], ['exposed', rollout], ['rollouts']]),
    ...(event.stream.startsWith('rollout-') ? [['open', 'now']] : []),
    ...(config === undefined ? [] : [['configs'], ['config', config]]),
    ...(event.type === 'RolloutSettled' || event.type === 'RolledBack' ? [['configs'], ['config']] : []),
    ...(event.stream.startsWith('hook-') ? [['hooks']] : []),
    ...(event.stream.startsWith('target-') || event.type.startsWith('Exposure') ? [['targets']] : []),
  ];
};

/** What new assessments of rollouts make old: counts, what they wait for, and who has acknowledged. */
export const touchedByProgress = (rollouts: readonly string[]): readonly Touched[] => [
  ['board'],
  ['targets'],
  ...rollouts.flatMap((id) => [
    ['rollout', id],
    ['evidence', id],
  ]),
];

/** Whether a log of one rollout shows this event. */
export const isOfRollout = (event: EventView, id: string): boolean =>
  event.stream === `rollout-${id}` || rolloutOf(event.data) === id;
