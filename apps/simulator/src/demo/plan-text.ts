import type { PlanPreview } from '#libs/contracts';
import { seconds } from './story.js';

const unique = <T>(items: readonly T[]): readonly T[] => [...new Set(items)];
const span = (ms: number | null): string => (ms === null ? 'never' : seconds(ms));

/** A warning that several stages share is said once, with the stages. */
const warnings = (preview: PlanPreview): string[] => {
  const split = preview.warnings.map((warning) => {
    const stage = preview.stages
      .map(({ track, stage: name }) => `${track}/${name}`)
      .find((name) => warning.startsWith(`${name}: `));
    return { stage, text: stage === undefined ? warning : warning.slice(stage.length + 2) };
  });
  return unique(split.map(({ text }) => text)).map((text) => {
    const stages = split.flatMap((each) => (each.text === text && each.stage !== undefined ? [each.stage] : []));
    return `plan warns: ${text}${stages.length === 0 ? '' : ` (${stages.join(', ')})`}`;
  });
};

/** What the plan predicts, in a few lines. */
export const planText = (preview: PlanPreview): readonly string[] => [
  `plan: ${preview.totalMs === null ? 'never done, with this traffic' : `${seconds(preview.totalMs)} in all`}`,
  ...unique(preview.stages.map(({ track }) => track)).map((track) => {
    const stages = preview.stages.filter((each) => each.track === track);
    return `plan: ${track.padEnd(8)} ${stages.map(({ stage, predictedMs, limitedBy }) => `${stage} ${span(predictedMs)} (${limitedBy})`).join(', ')}`;
  }),
  ...warnings(preview),
];
