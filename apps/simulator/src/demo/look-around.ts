/** What the commands at the end are about. */
export type Place = {
  readonly url: string;
  /** A file that holds an admin token. */
  readonly tokenFile: string;
  readonly good: { readonly rollout: string; readonly config: string };
  readonly bad: { readonly rollout: string; readonly config: string };
  readonly target: string;
  /** ISO time at which the bad change was live. */
  readonly badAt: string;
};

/** Commands that work as they stand, with the ids of this run. */
export const lookAround = (place: Place): string => {
  const headgate = 'npm run -s headgate --';
  return [
    `Web console: ${place.url}/ui/ (sign in with the token in ${place.tokenFile})`,
    '',
    'Look around (in another terminal, same folder):',
    '',
    `  export HEADGATE_URL=${place.url}`,
    `  export HEADGATE_TOKEN=$(cat ${place.tokenFile})`,
    `  ${headgate} status`,
    '  # why it came back, with the evidence:',
    `  ${headgate} status ${place.bad.rollout}`,
    `  ${headgate} explain ${place.bad.rollout} --recompute`,
    `  ${headgate} history --rollout ${place.good.rollout}`,
    `  ${headgate} history --config ${place.bad.config}`,
    '  # what was live there at that moment:',
    `  ${headgate} at ${place.badAt} --target ${place.target}`,
    `  ${headgate} diff ${place.badAt} now`,
    `  ${headgate} plan ${place.good.config} --plan three-platforms`,
    '',
    'Ctrl-C ends the demo.',
  ].join('\n');
};
