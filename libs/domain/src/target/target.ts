import { accept, reject, sameJson, unreachable, type Decider, type Decision, type JsonObject } from '#libs/kernel';
import type { TargetEvent } from '../events/index.js';

export type TargetState =
  | { readonly status: 'unknown' }
  | {
      readonly status: 'registered' | 'retired';
      readonly target: string;
      readonly platform: string;
      readonly labels: Readonly<Record<string, string>>;
      readonly models: readonly string[];
      readonly driver: string;
      readonly settings: JsonObject;
      /** Newest generation that every known instance has acknowledged; 0 before the first. */
      readonly acknowledged: number;
      /** What it was last found to hold against what was asked; null while it holds that. */
      readonly drift: Drift | null;
    };

export type Drift = Extract<TargetEvent, { type: 'DriftFound' }>['data'];

export type TargetCommand =
  | {
      readonly type: 'RegisterTarget';
      readonly target: string;
      readonly platform: string;
      readonly labels: Readonly<Record<string, string>>;
      readonly models: readonly string[];
      readonly driver: string;
      /** What the driver is told; default: nothing. */
      readonly settings?: JsonObject;
    }
  | { readonly type: 'RecordAcknowledgement'; readonly generation: number; readonly instances: number }
  | ({ readonly type: 'RecordDrift' } & Omit<Drift, 'target'>)
  | { readonly type: 'RecordDriftEnd'; readonly generation: number };

type Known = Exclude<TargetState, { status: 'unknown' }>;

const sameLabels = (a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean => {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
};

const register = (
  state: TargetState,
  command: Extract<TargetCommand, { type: 'RegisterTarget' }>,
): Decision<TargetEvent> => {
  const { target, platform, labels, models, driver, settings = {} } = command;
  if (state.status === 'unknown') {
    return accept<TargetEvent>({
      type: 'TargetRegistered',
      data: { target, platform, labels: { ...labels }, models: [...models], driver, settings },
    });
  }
  if (state.platform !== platform || state.driver !== driver) {
    return reject(
      'target-exists',
      `Target ${target} is registered on platform ${state.platform} with driver ${state.driver}; neither can change. Use another name.`,
      state.platform === platform ? '/spec/driver' : '/spec/platform',
    );
  }
  const unchanged =
    sameLabels(state.labels, labels) &&
    state.models.join('\n') === models.join('\n') &&
    sameJson(state.settings, settings);
  return unchanged
    ? accept()
    : accept<TargetEvent>({
        type: 'TargetLabelled',
        data: { target, labels: { ...labels }, models: [...models], settings },
      });
};

/** The same drift is said once; where it is to be put back, once for each generation that was asked. */
const drift = (state: Known, command: Extract<TargetCommand, { type: 'RecordDrift' }>): Decision<TargetEvent> => {
  const { generation, held, detail, action } = command;
  const before = state.drift;
  const isKnown = before?.held === held && before.detail === detail && before.action === action;
  if (isKnown && (action === 'hold' || before.generation === generation)) return accept();
  return accept<TargetEvent>({ type: 'DriftFound', data: { target: state.target, generation, held, detail, action } });
};

const decide = (state: TargetState, command: TargetCommand): Decision<TargetEvent> => {
  switch (command.type) {
    case 'RegisterTarget':
      return register(state, command);
    case 'RecordAcknowledgement':
      if (state.status === 'unknown') return reject('target-not-found', 'This target is not registered.');
      return command.generation <= state.acknowledged
        ? accept()
        : accept<TargetEvent>({
            type: 'GenerationAcknowledged',
            data: { target: state.target, generation: command.generation, instances: command.instances },
          });
    case 'RecordDrift':
      return state.status === 'unknown'
        ? reject('target-not-found', 'This target is not registered.')
        : drift(state, command);
    case 'RecordDriftEnd':
      return state.status === 'unknown' || state.drift === null
        ? accept()
        : accept<TargetEvent>({
            type: 'DriftEnded',
            data: { target: state.target, generation: command.generation },
          });
    default:
      return unreachable(command);
  }
};

const evolve = (state: TargetState, event: TargetEvent): TargetState => {
  if (event.type === 'TargetRegistered') return { status: 'registered', ...event.data, acknowledged: 0, drift: null };
  if (state.status === 'unknown') return state;
  switch (event.type) {
    case 'TargetLabelled':
      return { ...state, labels: event.data.labels, models: event.data.models, settings: event.data.settings };
    case 'TargetRetired':
      return { ...state, status: 'retired' };
    case 'GenerationAcknowledged':
      return { ...state, acknowledged: event.data.generation };
    case 'DriftFound':
      return { ...state, drift: event.data };
    case 'DriftEnded':
      return { ...state, drift: null };
    default:
      return unreachable(event);
  }
};

export const targetDecider: Decider<TargetState, TargetCommand, TargetEvent> = {
  initial: { status: 'unknown' },
  decide,
  evolve,
};

export const targetStream = (target: string): string => `target-${target}`;
