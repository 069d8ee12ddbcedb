import { FlagdProvider } from '@openfeature/flagd-provider';
import {
  NOOP_PROVIDER,
  OpenFeature,
  ProviderEvents,
  type EvaluationContext,
  type Logger,
} from '@openfeature/server-sdk';

/** What one flag said for one request. Revision 0: the code's own default, no revision of the config. */
export type Evaluation = {
  readonly revision: number;
  readonly generation: number;
  /** A rule chose the variant: the config has a rollout here. */
  readonly ruled: boolean;
  /** Sessions are not to stick to what they had (`stickiness: drop`). */
  readonly letsGo: boolean;
};

export type EvaluatorOptions = {
  readonly domain: string;
  readonly host: string;
  readonly syncPort: number;
  readonly selector: string;
  /** Flags by which the generation is read. */
  readonly configs: readonly string[];
  /** The ruleset that was kept last time; undefined where there is none. */
  readonly kept: string | undefined;
  /** The ruleset changed, or may have. */
  readonly onChange: () => void;
  readonly onSource: (source: 'controller' | 'disk' | 'none') => void;
};

/** The official flagd provider, evaluating in this process. */
export type Evaluator = {
  /**
   * All configs for all these contexts, against one ruleset: flagd evaluates synchronously before the first await, so no
   * new ruleset can come between. Answers are in the order of contexts × configs.
   */
  readonly evaluate: (
    configs: readonly string[],
    contexts: readonly EvaluationContext[],
  ) => Promise<readonly Evaluation[]>;
  /** The generation that evaluations carry now; 0 before the first ruleset. */
  readonly generation: () => Promise<number>;
  readonly close: () => Promise<void>;
};

export const silent: Logger = {
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined,
};
const NOTHING: EvaluationContext = {};
const CONNECT_MS = 1_500;
const RETRY_MS = 1_000;

const numberOf = (value: string | number | boolean | undefined): number => {
  const number = Number(value ?? 0);
  return Number.isSafeInteger(number) && number >= 0 ? number : 0;
};

const revisionOf = (variant: string | undefined): number => {
  const digits = variant !== undefined && /^r\d+$/.test(variant) ? variant.slice(1) : '0';
  return Number(digits);
};

const online = ({ host, syncPort, selector }: EvaluatorOptions): FlagdProvider =>
  new FlagdProvider(
    {
      resolverType: 'in-process',
      host,
      port: syncPort,
      selector,
      deadlineMs: CONNECT_MS,
      retryBackoffMs: 200,
      retryBackoffMaxMs: RETRY_MS,
      keepAliveTime: 20_000,
    },
    silent,
  );

/** All configs for all these contexts by one provider, in the order of contexts × configs. */
export const evaluateWith = async (
  provider: FlagdProvider,
  configs: readonly string[],
  contexts: readonly EvaluationContext[],
): Promise<readonly Evaluation[]> => {
  const pending = contexts.flatMap((context) =>
    configs.map((config) => provider.resolveObjectEvaluation(config, {}, context, silent)),
  );
  const details = await Promise.all(pending);
  return details.map(({ variant, reason, flagMetadata }) => ({
    revision: revisionOf(variant),
    generation: numberOf(flagMetadata?.['version']),
    ruled: reason === 'TARGETING_MATCH',
    letsGo: flagMetadata?.['stickiness'] === 'drop',
  }));
};

/** Also an unknown flag is answered with the flag set's metadata, so this works before there is any config. */
export const generationOf = async (provider: FlagdProvider, configs: readonly string[]): Promise<number> => {
  const answers = await evaluateWith(provider, configs, [NOTHING]);
  return Math.max(0, ...answers.map((answer) => answer.generation));
};

/**
 * Starts from the controller, or from the kept ruleset when no controller answers; a controller that comes later takes
 * over. Each instance has OpenFeature domains of its own.
 */
export const createEvaluator = async (options: EvaluatorOptions): Promise<Evaluator> => {
  const domains = { controller: options.domain, disk: `${options.domain}#disk` };
  const fromController = online(options);
  let fromDisk: FlagdProvider | undefined;
  let closed = false;
  let current = fromController;

  const takeController = (): void => {
    if (closed) return;
    current = fromController;
    options.onSource('controller');
    options.onChange();
  };
  const client = OpenFeature.getClient(domains.controller);
  const answered = await OpenFeature.setProviderAndWait(domains.controller, fromController).then(
    () => true,
    () => false,
  );
  // Added only now: a client whose domain has no provider yet is called ready at once.
  client.addHandler(ProviderEvents.ConfigurationChanged, options.onChange);
  client.addHandler(ProviderEvents.Ready, takeController);
  if (!answered && options.kept !== undefined) {
    fromDisk = new FlagdProvider({ resolverType: 'in-process', offlineFlagSourcePath: options.kept }, silent);
    await OpenFeature.setProviderAndWait(domains.disk, fromDisk);
    current = fromDisk;
  }
  if (!answered) options.onSource(fromDisk ? 'disk' : 'none');

  const close = async (): Promise<void> => {
    closed = true;
    client.removeHandler(ProviderEvents.ConfigurationChanged, options.onChange);
    client.removeHandler(ProviderEvents.Ready, takeController);
    for (const domain of Object.values(domains)) await OpenFeature.setProviderAndWait(domain, NOOP_PROVIDER);
  };
  return {
    evaluate: (configs, contexts) => evaluateWith(current, configs, contexts),
    generation: () => generationOf(current, options.configs),
    close,
  };
};
