import { accept, reject, sameJson, unreachable, type Decider, type Decision, type JsonObject } from '#libs/kernel';
import type { ConfigEvent, ConfigKind } from '../events/index.js';

export type Revision = { readonly revision: number; readonly digest: string; readonly value: JsonObject };

/** One config: its revisions, who holds which target, and what is last known good where. */
export type ConfigState =
  | { readonly status: 'unknown' }
  | {
      readonly status: 'registered' | 'retired';
      readonly key: string;
      readonly kind: ConfigKind;
      readonly assignment: 'unit' | 'request' | 'instance' | null;
      readonly schema: JsonObject | null;
      readonly description: string | null;
      readonly revisions: readonly Revision[];
      /** Target → rollout that holds it. */
      readonly claims: Readonly<Record<string, string>>;
      /** Target → revisions that settled there, newest last; where a target is missing, revision 1 is live. */
      readonly settled: Readonly<Record<string, readonly number[]>>;
      /** Target → revision that the last rollout left live there; where missing, what is last known good. */
      readonly live: Readonly<Record<string, number>>;
      /** Revision → how often it was rolled back. */
      readonly vetoes: Readonly<Record<number, number>>;
    };

export type RegisteredConfig = Extract<ConfigState, { key: string }>;

export type ConfigCommand =
  | {
      readonly type: 'RegisterConfig';
      readonly key: string;
      readonly kind: ConfigKind;
      readonly assignment: 'unit' | 'request' | 'instance' | null;
      readonly description: string | null;
      readonly schema: JsonObject | null;
    }
  | {
      readonly type: 'ProposeRevision';
      readonly digest: string;
      readonly value: JsonObject;
      readonly links: readonly string[];
    }
  | { readonly type: 'ChangeSchema'; readonly schema: JsonObject; readonly description: string | null }
  | {
      readonly type: 'ClaimTargets';
      readonly rollout: string;
      readonly revision: number;
      readonly targets: readonly string[];
      readonly vetoReason: string | null;
    }
  | {
      readonly type: 'ReleaseTargets';
      readonly rollout: string;
      readonly revision: number;
      readonly targets: readonly string[];
      readonly outcome: 'settled' | 'rolled-back' | 'superseded';
      /** Target → revision that is live there from now on. */
      readonly live?: Readonly<Record<string, number>>;
    };

/** The newest revision that settled on a target; the baseline before any did. */
export const lastKnownGood = (state: RegisteredConfig, target: string): number => state.settled[target]?.at(-1) ?? 1;

/** The revision that a target rests on when no rollout holds it: the control of the next one there. */
export const liveRevision = (state: RegisteredConfig, target: string): number =>
  state.live[target] ?? lastKnownGood(state, target);

/** Revisions with the same value as this one, itself among them, that were rolled back. */
export const vetoedAs = ({ revisions, vetoes }: RegisteredConfig, revision: number): readonly number[] => {
  const digest = revisions.find((each) => each.revision === revision)?.digest;
  const same = revisions.flatMap((each) => (each.digest === digest ? [each.revision] : []));
  return [...new Set([revision, ...same])].filter((each) => (vetoes[each] ?? 0) > 0);
};

/** How often the value of this revision was rolled back, under whatever number. */
export const vetoesOf = (state: RegisteredConfig, revision: number): number =>
  vetoedAs(state, revision).reduce((sum, each) => sum + (state.vetoes[each] ?? 0), 0);

/** `r2 was rolled back before`, or `r4 has the value of r2, which was rolled back before`; undefined when it was not. */
export const vetoWords = (state: RegisteredConfig, revision: number): string | undefined => {
  const vetoed = vetoedAs(state, revision);
  if (vetoed.length === 0) return undefined;
  if (vetoed.includes(revision)) return `r${revision} was rolled back before`;
  return `r${revision} has the value of ${vetoed.map((each) => `r${each}`).join(' and ')}, which was rolled back before`;
};

const OWN: readonly ConfigKind[] = ['signal', 'plan', 'source'];

/** Kinds that fleets evaluate; signals, plans and sources are only for Headgate itself. */
export const isServed = (kind: ConfigKind): boolean => !OWN.includes(kind);

const propose = (
  state: RegisteredConfig,
  command: Extract<ConfigCommand, { type: 'ProposeRevision' }>,
): Decision<ConfigEvent> => {
  if (state.revisions.at(-1)?.digest === command.digest) return accept();
  const revision = state.revisions.length + 1;
  return accept<ConfigEvent>({
    type: 'RevisionProposed',
    data: {
      key: state.key,
      revision,
      digest: command.digest,
      value: command.value,
      links: [...command.links],
      baseline: revision === 1,
    },
  });
};

const claim = (
  state: RegisteredConfig,
  command: Extract<ConfigCommand, { type: 'ClaimTargets' }>,
): Decision<ConfigEvent> => {
  const { key } = state;
  if (state.status === 'retired')
    return reject('config-retired', `Config ${key} is retired: nothing can be rolled out.`, '/config');
  if (!state.revisions.some(({ revision }) => revision === command.revision)) {
    return reject(
      'revision-not-found',
      `Config ${key} has no revision ${command.revision}; its newest is ${state.revisions.length}. Apply it first.`,
      '/revision',
    );
  }
  const taken = command.targets.find(
    (target) => state.claims[target] !== undefined && state.claims[target] !== command.rollout,
  );
  if (taken !== undefined) {
    return reject(
      'rollout-already-running',
      `Config ${key} is already being rolled out on ${taken} by rollout ${state.claims[taken]}: abort it or wait until it ends.`,
      '/config',
    );
  }
  if (command.targets.every((target) => state.claims[target] === command.rollout)) return accept();
  const live = command.targets.filter((target) => liveRevision(state, target) === command.revision);
  if (live.length > 0) {
    return reject(
      'revision-already-live',
      `Revision ${command.revision} of ${key} is already live on ${live.join(', ')}: choose another revision, or a plan without these targets.`,
      '/revision',
    );
  }
  const vetoed = vetoWords(state, command.revision);
  if (vetoed !== undefined && command.vetoReason === null) {
    return reject(
      'revision-vetoed',
      `Of ${key}, ${vetoed}: say why it may be tried again (vetoReason).`,
      '/vetoReason',
    );
  }
  return accept<ConfigEvent>({
    type: 'TargetsClaimed',
    data: { key, rollout: command.rollout, revision: command.revision, targets: [...command.targets] },
  });
};

const release = (
  state: RegisteredConfig,
  command: Extract<ConfigCommand, { type: 'ReleaseTargets' }>,
): Decision<ConfigEvent> => {
  const held = command.targets.filter((target) => state.claims[target] === command.rollout);
  if (held.length === 0) return accept();
  return accept<ConfigEvent>({
    type: 'TargetsReleased',
    data: {
      key: state.key,
      rollout: command.rollout,
      revision: command.revision,
      targets: held,
      outcome: command.outcome,
      live: Object.fromEntries(Object.entries(command.live ?? {}).filter(([target]) => held.includes(target))),
    },
  });
};

const register = (
  state: ConfigState,
  command: Extract<ConfigCommand, { type: 'RegisterConfig' }>,
): Decision<ConfigEvent> => {
  if (state.status === 'unknown') {
    const { key, kind, assignment, description, schema } = command;
    return accept<ConfigEvent>({ type: 'ConfigRegistered', data: { key, kind, assignment, description, schema } });
  }
  const differs =
    state.kind !== command.kind
      ? '/spec/kind'
      : state.assignment !== command.assignment
        ? '/spec/assignment'
        : undefined;
  if (differs !== undefined) {
    return reject(
      'config-exists',
      `Config ${state.key} exists as ${state.kind} with assignment ${state.assignment}; neither can change. Use another name.`,
      differs,
    );
  }
  return accept();
};

const decide = (state: ConfigState, command: ConfigCommand): Decision<ConfigEvent> => {
  if (command.type === 'RegisterConfig') return register(state, command);
  if (state.status === 'unknown')
    return reject('config-not-found', 'This config does not exist. Apply its manifest first.', '/config');
  switch (command.type) {
    case 'ProposeRevision':
      return propose(state, command);
    case 'ChangeSchema':
      return sameJson(state.schema, command.schema) && state.description === command.description
        ? accept()
        : accept<ConfigEvent>({
            type: 'SchemaChanged',
            data: {
              key: state.key,
              schema: command.schema,
              description: command.description,
            },
          });
    case 'ClaimTargets':
      return claim(state, command);
    case 'ReleaseTargets':
      return release(state, command);
    default:
      return unreachable(command);
  }
};

const without = (record: Readonly<Record<string, string>>, keys: readonly string[]): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(record).filter(([key]) => !keys.includes(key)));

const released = (
  state: RegisteredConfig,
  { targets, outcome, revision, live }: Extract<ConfigEvent, { type: 'TargetsReleased' }>['data'],
): RegisteredConfig => {
  const free = { ...state, claims: without(state.claims, targets), live: { ...state.live, ...live } };
  if (outcome === 'settled') {
    const settled = { ...state.settled };
    for (const target of targets) settled[target] = [...(settled[target] ?? [1]), revision];
    return { ...free, settled };
  }
  if (outcome === 'rolled-back') {
    return { ...free, vetoes: { ...state.vetoes, [revision]: (state.vetoes[revision] ?? 0) + 1 } };
  }
  return free;
};

const evolve = (state: ConfigState, event: ConfigEvent): ConfigState => {
  if (event.type === 'ConfigRegistered') {
    const { key, kind, assignment, description, schema } = event.data;
    return {
      status: 'registered',
      key,
      kind,
      assignment,
      description,
      schema,
      revisions: [],
      claims: {},
      settled: {},
      live: {},
      vetoes: {},
    };
  }
  if (state.status === 'unknown') return state;
  switch (event.type) {
    case 'RevisionProposed': {
      const { revision, digest, value } = event.data;
      return { ...state, revisions: [...state.revisions, { revision, digest, value }] };
    }
    case 'SchemaChanged':
      return { ...state, schema: event.data.schema, description: event.data.description };
    case 'ConfigRetired':
      return { ...state, status: 'retired' };
    case 'TargetsClaimed': {
      const mine = Object.fromEntries(event.data.targets.map((target) => [target, event.data.rollout]));
      return { ...state, claims: { ...state.claims, ...mine } };
    }
    case 'TargetsReleased':
      return released(state, event.data);
    default:
      return unreachable(event);
  }
};

export const configDecider: Decider<ConfigState, ConfigCommand, ConfigEvent> = {
  initial: { status: 'unknown' },
  decide,
  evolve,
};

export const configStream = (key: string): string => `config-${key}`;

/**
 * The error bound of one start of a revision: the first has 95% of the plan's alpha, the k-th restart after a
 * rollback a 2^-k share of the other 5%. So all starts of one revision together stay below alpha.
 */
export const alphaOfStart = (alpha: number, earlierRollbacks: number): number =>
  earlierRollbacks === 0 ? alpha * 0.95 : alpha * 0.05 * 0.5 ** earlierRollbacks;
