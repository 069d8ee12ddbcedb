import { membersOf, placesOf, saidOf, titleOf, type Case, type Finding } from './judge-case.js';
import { isPastLimit, isWorseThanBefore, spreadOf } from './counted.js';
import { beforePhrase, countedPhrase, limitPhrase, sincePhrase, whole } from './sentence.js';
import { isOfValues } from './types.js';

/** What the slice as a whole came to; of values only what they are since the rollout. */
const sinceOf = (all: Case): string =>
  all.values === null ? beforePhrase(all.counts) : sincePhrase(all.signal.spec, all.values.candidate);

/** Without arms: what a slice is now, against a limit and against what it was before. It never says that all is well. */
const judgeBefore = (all: Case): Finding => {
  const { signal, counts } = all;
  const said = `${titleOf(signal)} ${placesOf(all)}: ${sinceOf(all)}`;
  if (!isOfValues(signal.spec) && isWorseThanBefore(signal, counts))
    return { verdict: 'fail', sentence: `${said}; shown to be worse than before, which may have another cause` };
  return { verdict: 'inconclusive', sentence: `${said}; without arms it cannot show that the change is harmless` };
};

/** What is missing, where it comes from, and what may be wrong with it. */
const nothingOf = ({ signal, counts }: Case): string => {
  const { source = '' } = signal.spec;
  if (counts.controlRequests > 0)
    return `nothing counted by ${source} on the candidate yet, and ${whole(counts.controlRequests)} on control: do its points name the candidate's variant?`;
  return `nothing counted by ${source} for this rollout yet: points name a variant of its config under a version since it began, or none`;
};

/**
 * What a source counts: a limit first, then the arms, or the time before where there are none. Evidence of the arms counts as
 * far as the spread between units leaves it; it may go on while it is not shown harmful (`judgeArms`).
 */
export const judgeCounted = (all: Case, judgeArms: (all: Case) => Finding): Finding => {
  const { signal, counts, options } = all;
  if (counts.candidateRequests === 0)
    return { verdict: 'not-measured', sentence: `${titleOf(signal)}: ${nothingOf(all)}` };
  const isPast = isPastLimit(signal, counts, options.targets === null ? null : membersOf(options.targets));
  const said = options.isBefore === true ? sinceOf(all) : saidOf(all);
  const { verdict, sentence }: Finding = isPast
    ? { verdict: 'fail', sentence: `${titleOf(signal)} ${placesOf(all)}: ${said}; ${limitPhrase(signal.spec)}` }
    : options.isBefore === true
      ? judgeBefore(all)
      : judgeArms({ ...all, logPromote: all.logPromote === null ? null : all.logPromote / spreadOf(signal) });
  return { verdict, sentence: `${sentence}${countedPhrase(signal.spec, spreadOf(signal))}` };
};
