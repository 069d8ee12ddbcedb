import { accept, reject, unreachable, type Decider, type Decision } from '#libs/kernel';
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
      /** Newest generation that every known instance has acknowledged; 0 before the first. */
      readonly acknowledged: number;
    };

export type TargetCommand =
  | {
      readonly type: 'RegisterTarget';
      readonly target: string;
      readonly platform: string;
      readonly labels: Readonly<Record<string, string>>;
      readonly models: readonly string[];
      readonly driver: string;
    }
  | { readonly type: 'RecordAcknowledgement'; readonly generation: number; readonly instances: number };

const sameLabels = (a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean => {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
};

const register = (
  state: TargetState,
  command: Extract<TargetCommand, { type: 'RegisterTarget' }>,
): Decision<TargetEvent> => {
  const { target, platform, labels, models, driver } = command;
  if (state.status === 'unknown') {
    return accept<TargetEvent>({
      type: 'TargetRegistered',
      data: { target, platform, labels: { ...labels }, models: [...models], driver },
    });
  }
  if (state.platform !== platform || state.driver !== driver) {
    return reject(
      'target-exists',
      `Target ${target} is registered on platform ${state.platform} with driver ${state.driver}; neither can change. Use another name.`,
      state.platform === platform ? '/spec/driver' : '/spec/platform',
    );
  }
  const unchanged = sameLabels(state.labels, labels) && state.models.join('\n') === models.join('\n');
  return unchanged
    ? accept()
    : accept<TargetEvent>({ type: 'TargetLabelled', data: { target, labels: { ...labels }, models: [...models] } });
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
    default:
      return unreachable(command);
  }
};

const evolve = (state: TargetState, event: TargetEvent): TargetState => {
  if (event.type === 'TargetRegistered') return { status: 'registered', ...event.data, acknowledged: 0 };
  if (state.status === 'unknown') return state;
  switch (event.type) {
    case 'TargetLabelled':
      return { ...state, labels: event.data.labels, models: event.data.models };
    case 'TargetRetired':
      return { ...state, status: 'retired' };
    case 'GenerationAcknowledged':
      return { ...state, acknowledged: event.data.generation };
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
