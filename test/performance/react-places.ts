import { join } from 'node:path';
import type { JsonObject } from '#libs/kernel';
import { createEvaluator, type Evaluator } from '../../apps/simulator/src/fleet/evaluator.js';
import { createStoreEvaluator } from '../../apps/simulator/src/fleet/store-evaluator.js';
import type { Reader } from '../../apps/simulator/src/fleet/store-readers.js';
import type { ControllerProcess } from '../../apps/simulator/src/demo/controller-process.js';
import { BEDROCK, VERTEX, type DemoStores } from '../../apps/simulator/src/demo/stores.js';
import { startWebhookReceiver, type WebhookReceiver } from '../kit/webhook-receiver.js';
import { manifest, MODEL } from './manifests.js';

export const API = 'api';
export const EDGE = 'edge';
/** Of AppConfig's readers, which must not ask more often than each 15 s. */
const APPCONFIG_POLL = 16;
/** Of readers of Parameter Manager, which may ask when they like. */
const PARAMETER_POLL = 15;
/** How often any reader looks whether its time to ask has come. */
const LOOK_MS = 400;

/** Where the fleets of one driver read. */
export type Place = {
  readonly target: string;
  readonly driver: string;
  /** The longest time between two readings, in milliseconds; 0 where fleets are told. */
  readonly pollMs: number;
  readonly open: (name: string, onChange: () => void) => Promise<Evaluator>;
};

type Setting = {
  readonly controller: ControllerProcess;
  readonly stores: DemoStores;
  readonly receiver: WebhookReceiver;
  readonly folder: string;
  readonly configs: readonly string[];
  /** How long a second between two readings lasts. */
  readonly secondMs: number;
};

/** What the environment of the controller has to hold. */
export const SECRET_ENV = 'BENCH_EDGE_SECRET';

export const openReceiver = async (): Promise<WebhookReceiver> => {
  const receiver = await startWebhookReceiver();
  process.env[SECRET_ENV] = receiver.secret;
  return receiver;
};

/** A target for each driver, one rate signal, and a plan whose first stage exposes half of each for an hour. */
export const manifestsOf = (
  { stores, receiver }: Pick<Setting, 'stores' | 'receiver'>,
  plan: { readonly name: string; readonly signal: string },
): readonly JsonObject[] => {
  const targets = [API, BEDROCK, VERTEX, EDGE];
  const byHook = {
    driver: 'webhook',
    settings: { url: `${receiver.url}/${EDGE}`, secretEnv: SECRET_ENV, readBack: true, poll: '1s', check: '1m' },
  };
  const bare = targets.map((target) =>
    manifest('Target', target, { platform: target, models: [MODEL], ...(target === EDGE ? byHook : {}) }),
  );
  const stages = ['50%', '100%'].map((exposure) => ({ exposure, bake: '1h', activation: 0 }));
  return [
    ...(stores.withDrivers(bare as Parameters<DemoStores['withDrivers']>[0]) as readonly JsonObject[]),
    manifest('Signal', plan.signal, { type: 'rate', title: 'syntax errors' }),
    manifest('Plan', plan.name, {
      alpha: 0.001,
      holdback: '1%',
      watch: '1h',
      drain: '1s',
      grace: '1h',
      signals: [{ signal: plan.signal, tolerate: 'none' }],
      tracks: targets.map((platform) => ({ name: platform, targets: { platform }, stages })),
    }),
  ];
};

/** A reader that asks no more often than that; the first time at a phase of its own. */
const paced = (reader: Reader, pollMs: number): Reader => {
  let nextAt = 0;
  return async () => {
    const now = performance.now();
    if (now < nextAt) return undefined;
    nextAt = nextAt === 0 ? now + Math.random() * pollMs : nextAt + pollMs;
    return reader();
  };
};

const heldBy = (receiver: WebhookReceiver): Reader => {
  let seen = -1;
  return async () => {
    const held = receiver.held(`/${EDGE}`);
    if (held === undefined || held.generation === seen) return undefined;
    seen = held.generation;
    return held.text;
  };
};

export const placesOf = ({ controller, stores, receiver, folder, configs, secondMs }: Setting): readonly Place[] => {
  const fromStore =
    (reader: () => Reader): Place['open'] =>
    (name, onChange) =>
      createStoreEvaluator({
        reader: reader(),
        path: join(folder, name, 'ruleset.json'),
        configs,
        onChange,
        onSource: () => undefined,
      });
  const ofStore = (target: string) => (): Reader => {
    const reader = stores.readerOf(target);
    if (reader === undefined) throw new Error(`${target} is in no store.`);
    return reader;
  };
  const pulled: Place['open'] = (name, onChange) =>
    createEvaluator({
      domain: name,
      host: new URL(controller.url).hostname,
      syncPort: controller.syncPort,
      selector: `${API}?token=${controller.adminToken}`,
      configs,
      kept: undefined,
      onChange,
      onSource: () => undefined,
    });
  const parameterMs = PARAMETER_POLL * secondMs;
  return [
    { target: API, driver: 'pull', pollMs: 0, open: pulled },
    {
      target: BEDROCK,
      driver: 'aws-appconfig',
      pollMs: APPCONFIG_POLL * secondMs + LOOK_MS,
      open: fromStore(ofStore(BEDROCK)),
    },
    {
      target: VERTEX,
      driver: 'gcp-parameter-manager',
      pollMs: parameterMs + LOOK_MS,
      open: fromStore(() => paced(ofStore(VERTEX)(), parameterMs)),
    },
    { target: EDGE, driver: 'webhook', pollMs: LOOK_MS, open: fromStore(() => heldBy(receiver)) },
  ];
};
