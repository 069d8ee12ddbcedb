import {
  ApplyManifestsCommand,
  ApplyManifestsHandler,
  type CommandContext,
  type CommandRunner,
} from '#libs/application';
import { Manifest } from '#libs/contracts';
import { configDecider, configStream, type ConfigCommand } from '#libs/domain';
import type { JsonObject } from '#libs/kernel';

/** Four targets on three platforms, with their instances; one of them serves two models, and one is a single instance. */
export const TARGETS = [
  { target: 'api-us', platform: 'api', hardware: 'trainium', models: ['sonnet'], instances: ['a', 'b', 'c', 'd'] },
  { target: 'api-eu', platform: 'api', hardware: 'tpu', models: ['sonnet', 'haiku'], instances: ['a', 'b'] },
  { target: 'bedrock-us', platform: 'bedrock', hardware: 'trainium', models: ['sonnet'], instances: ['a', 'b'] },
  { target: 'vertex-eu', platform: 'vertex', hardware: 'tpu', models: ['sonnet'], instances: ['b'] },
] as const;

/** Three changes can be under way at once: by sticky unit, by request, and by whole instances. */
export const CONFIGS = [
  { config: 'router.context', assignment: 'unit' },
  { config: 'sampler', assignment: 'request' },
  { config: 'server.build', assignment: 'instance' },
] as const;

/** What comes as outcomes: one of them is known only a while after its request. */
export const SIGNALS = [
  { signal: 'script-errors', type: 'rate' },
  { signal: 'refusals', type: 'rate' },
  { signal: 'wrong-pool', type: 'invariant' },
  { signal: 'complaints', type: 'rate', delay: '6s' },
] as const;
/** Its outcomes come up to so much later than their requests, in ms. */
export const DELAYED = { signal: 'complaints', mostMs: 6_000 } as const;

const GATEWAY = 'gateway.requests';
const FRONT = 'front.requests';
const FIRST_TOKEN = 'first.token';
/** Names of the metrics that fleets send. */
export const METRICS = { gateway: GATEWAY, front: FRONT, firstToken: FIRST_TOKEN } as const;

/** What metrics count: two by arm, and one of which nobody knows what served it. */
export const COUNTED = [
  {
    signal: 'timeouts',
    type: 'rate',
    source: { type: 'otlp', requests: { metric: GATEWAY }, bad: { metric: GATEWAY, where: { outcome: 'bad' } } },
  },
  {
    signal: 'overloads',
    type: 'rate',
    source: { type: 'otlp', requests: { metric: FRONT }, bad: { metric: FRONT, where: { outcome: 'bad' } } },
  },
  { signal: 'first-token', type: 'distribution', source: { type: 'otlp', values: { metric: FIRST_TOKEN } } },
] as const;

/** Its metric names no arm: it is counted of all requests, and held against the time before. */
export const WITHOUT_ARMS = 'overloads';

/** What a fault can make bad. */
export const BREAKABLE: readonly string[] = [...SIGNALS, ...COUNTED].map(({ signal }) => signal);

/** By it two platforms are compared. */
export const GOLDEN = 'golden-answers';

export const planName = (index: number): string => `plan-${index}`;

const manifest = (kind: string, name: string, spec: JsonObject): JsonObject => ({
  apiVersion: 'headgate.dev/v1',
  kind,
  metadata: { name },
  spec,
});

const FIXED: readonly JsonObject[] = [
  ...TARGETS.map(({ target, platform, hardware, models }) =>
    manifest('Target', target, { platform, labels: { hardware }, models: [...models] }),
  ),
  ...[...SIGNALS, ...COUNTED].map(({ signal, ...spec }) => manifest('Signal', signal, { ...spec, title: signal })),
  manifest('Signal', GOLDEN, { type: 'paired', title: 'golden answers' }),
];

const given = (raw: JsonObject) => ({ raw, parsed: Manifest.parse(raw) });
const FIXED_GIVEN = FIXED.map(given);

const ADA: Omit<CommandContext, 'commandId' | 'fingerprint' | 'correlationId'> = {
  actor: { kind: 'person', name: 'ada' },
};
export const byAda = (commandId: string, reason?: string): CommandContext => ({
  ...ADA,
  commandId,
  fingerprint: commandId,
  correlationId: commandId,
  ...(reason === undefined ? {} : { reason }),
});

/** Registers a config, or proposes another revision of it: as applying its manifest does, without its JSON Schema. */
export const proposeOn = async (
  runner: CommandRunner,
  { config, assignment }: (typeof CONFIGS)[number],
  value: number,
  context: CommandContext,
) =>
  runner.run('Propose', context, async (session) => {
    const stream = configStream(config);
    let { state } = await session.load(configDecider, stream);
    const commands: ConfigCommand[] = [
      { type: 'RegisterConfig', key: config, kind: 'quality', assignment, description: null, schema: {} },
      { type: 'ProposeRevision', digest: `digest-${value}`, value: { value }, links: [] },
    ];
    for (const command of commands)
      for (const event of session.decide(configDecider, stream, state, command))
        state = configDecider.evolve(state, event);
    return {};
  });

/** Everything there is before the first change: targets, signals, plans and what runs today. */
export const furnish = async (runner: CommandRunner, plans: readonly JsonObject[]): Promise<void> => {
  const manifests = [...FIXED_GIVEN, ...plans.map((spec, index) => given(manifest('Plan', planName(index), spec)))];
  const apply = new ApplyManifestsCommand(manifests, false, byAda('the setting'));
  const applied = await new ApplyManifestsHandler(runner).execute(apply);
  if (!applied.accepted) throw new Error(`${applied.rejection.message} ${applied.rejection.field ?? ''}`);
  for (const config of CONFIGS) {
    await proposeOn(runner, config, 1, byAda(`${config.config} 1`));
    await proposeOn(runner, config, 2, byAda(`${config.config} 2`));
  }
};
