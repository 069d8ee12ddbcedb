import { judgeCounts, liveTracks, recomputeParities, type RecordedParity } from '#libs/domain';
import { isPromoted, momentsOf, type Of, type Rule } from './log.js';

const isOf =
  (track: string) =>
  (event: { readonly type: string }): event is Of<'ParityJudged'> =>
    event.type === 'ParityJudged' && (event as Of<'ParityJudged'>).data.parity.track === track;

/** By its counts, whatever it says. */
const verdictOf = (parity: RecordedParity): string => judgeCounts(parity.track, parity, parity.counts).verdict;

/** Rules 3 and 4: a track that asks for parity begins with all of it recorded in the same append, or by a person. */
export const parityComesFirst: Rule = (history) =>
  momentsOf(history).flatMap((moment) => {
    const { event, before, together } = moment;
    if (event.type !== 'StageEntered' || !before || isPromoted(moment)) return [];
    const track = before.plan.tracks.find(({ name }) => name === event.data.track);
    if (!track || track.parity.length === 0 || (before.tracks[track.name]?.stage ?? -1) >= 0) return [];
    const shown = together.filter(isOf(track.name)).filter(({ data }) => verdictOf(data.parity) === 'pass');
    const late = track.parity.flatMap(({ between }) => between).filter((name) => !before.tracks[name]);
    return [
      ...(shown.length === track.parity.length ? [] : [`${track.name} of rollout ${before.id} begins without parity`]),
      ...late.map((name) => `${track.name} of rollout ${before.id} begins before ${name}`),
    ];
  });

/** Rule 3: while platforms are shown to differ nothing goes on of a rollout in which a track can still wait for that. */
export const differingHolds: Rule = (history) =>
  momentsOf(history).flatMap((moment) => {
    const { event, before } = moment;
    if (event.type !== 'StageEntered' || !before) return [];
    const waiting = liveTracks(before).filter(({ name }) => before.tracks[name] === undefined);
    const failed = Object.values(before.parities).find(
      (parity) => verdictOf(parity) === 'fail' && waiting.some(({ name }) => name === parity.track),
    );
    return failed
      ? [`${event.data.track} of rollout ${before.id} goes on at ${event.position} although ${failed.sentence}`]
      : [];
  });

/** Rule 12: a judgement comes out again from its counts, which are of pairs that were sent, each once. */
export const parityComesOutAgain: Rule = (history) => {
  const recorded = momentsOf(history).flatMap(({ event, after }) =>
    event.type === 'ParityJudged' ? [{ rollout: after.id, position: event.position, at: event.at, event }] : [],
  );
  const differing = recomputeParities(recorded).filter(({ differs, skipped }) => differs.length > 0 || skipped);
  const counted = (parity: RecordedParity, rollout: string): boolean =>
    parity.counts.pairs <= (history.witness.compared.get(rollout) ?? 0);
  return [
    ...differing.map(({ position, differs }) => `parity at ${position} comes out otherwise: ${differs.join(', ')}`),
    ...recorded
      .filter(({ event, rollout }) => !counted(event.data.parity, rollout))
      .map(({ position, rollout }) => `parity at ${position} of rollout ${rollout} counts pairs that nobody sent`),
  ];
};
