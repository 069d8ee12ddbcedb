import type { Problem } from '#libs/contracts';

/** What a refused request was about, as it can be named to the command; else a placeholder. */
interface Subject {
  readonly rollout: string;
  readonly config: string;
}

const ID = /\brollout ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b/i;

/** From the address of the request, or from what was said: who starts a rollout may be refused because of another. */
const subjectOf = ({ detail }: Problem, request: string): Subject => {
  const [, kind, name = ''] = /^\w+ \/v1\/(rollouts|configs)\/([^/?]+)/.exec(request) ?? [];
  return {
    rollout: kind === 'rollouts' ? decodeURIComponent(name) : (ID.exec(detail)?.[1] ?? 'ROLLOUT'),
    config: kind === 'configs' ? decodeURIComponent(name) : (/^Config (\S+)/.exec(detail)?.[1] ?? 'CONFIG'),
  };
};

type Step = (subject: Subject) => string;

const applyFirst: Step = () => 'apply its manifest first: headgate apply -f FILE';
const sayWhich: Step = () => 'say which: --revision NUMBER takes that one back, --to NUMBER goes back to that one';
const lookAgain: Step = ({ rollout }) => `read it again: headgate status ${rollout}`;
const seeWhereItIs: Step = ({ rollout }) => `see where it is: headgate status ${rollout}`;
const seeItThrough: Step = ({ rollout }) => `see it through with: headgate watch ${rollout}`;
const seeWhatThereIs: Step = () => 'see what there is: headgate at now';

/** By the code of a refusal, so that the words of the controller may change. */
const STEPS: Readonly<Record<string, Step>> = {
  'config-not-found': applyFirst,
  'plan-not-found': applyFirst,
  'signal-not-found': applyFirst,
  'config-exists': seeWhatThereIs,
  'target-exists': seeWhatThereIs,
  'config-retired': () => 'roll out another config; what is live where is shown by: headgate at now',
  'undo-ambiguous': sayWhich,
  'later-revisions-settled': sayWhich,
  'nothing-to-undo': ({ config }) => `see what runs of it: headgate status --config ${config}`,
  'revision-not-settled': ({ config }) => `see what became of it: headgate history --config ${config}`,
  'revision-not-found': ({ config }) =>
    `see which there are: headgate history --config ${config} --type RevisionProposed`,
  'revision-already-live': () => 'see what is live where: headgate at now',
  'revision-vetoed': () => 'propose another value, or say why this one may be tried again with --veto-reason "…"',
  'rollout-already-running': ({ rollout }) =>
    `follow it with: headgate watch ${rollout}, or take it back with: headgate abort ${rollout} --reason "…"`,
  'supersede-needs-all-targets': ({ rollout }) =>
    `choose such a plan, or end the watch first: headgate promote ${rollout} --reason "…"`,
  'rollout-held': ({ rollout }) => `resume it with: headgate resume ${rollout} --reason "…"`,
  'guardrail-failed': ({ rollout }) =>
    `see the evidence: headgate status ${rollout}; take it back with: headgate abort ${rollout} --reason "…"`,
  'too-few-instances': () => 'see which instances are live: headgate at now --instances',
  'seal-key-missing': () => 'give it HEADGATE_SEAL_KEY_FILE or HEADGATE_SEAL_KEY',
  'database-unavailable': () => 'ask again in a moment; what the controller lacks is in its /readyz',
  'nothing-to-promote': seeWhereItIs,
  'nothing-to-abandon': seeWhereItIs,
  'stage-has-passed': lookAgain,
  'stale-version': lookAgain,
  'rollback-under-way': seeItThrough,
  'rollout-already-finished': ({ rollout }) => `see how it ended: headgate history --rollout ${rollout}`,
  'rollout-not-found': () => 'see which there are: headgate status',
  'reason-missing': () => 'say why with --reason "…"',
  'last-admin': () => 'make another one: headgate token create SUBJECT --role admin',
  'token-already-issued': () => 'find its id with: headgate token list',
  'token-not-found': () => 'see which there are: headgate token list',
};

const COMMAND = /headgate (?:token )?[a-z]+/g;

/** Whether the message names each command already, or says the same words without one. */
const isSaid = (step: string, detail: string): boolean => {
  const commands = step.match(COMMAND) ?? [];
  const said = detail.toLowerCase();
  return commands.length > 0 ? commands.every((command) => said.includes(command)) : said.includes(step.toLowerCase());
};

/** The command alone, where its introduction would repeat the end of the message. */
const withoutEcho = (step: string, detail: string): string => {
  const [, words = '', command] = /^([^:]+): (headgate .+)$/.exec(step) ?? [];
  return command !== undefined && detail.toLowerCase().includes(words.toLowerCase()) ? command : step;
};

/**
 * What to do after a refusal that has a code of its own, with the names of what the request was about; null when its message
 * says that already, undefined for a code without such advice.
 */
export const nextStep = (problem: Problem, request: string): string | null | undefined => {
  const { code, detail } = problem;
  const step = STEPS[code]?.(subjectOf(problem, request));
  if (step === undefined) return undefined;
  return isSaid(step, detail) ? null : withoutEcho(step, detail);
};
