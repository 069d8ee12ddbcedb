import type { FaultInput } from '../../apps/simulator/src/scenario/schema.js';
import {
  startSimulator,
  type FleetEvent,
  type GroundTruth,
  type Simulator,
} from '../../apps/simulator/src/simulator.js';
import { fleetsOf } from './harm-setting.js';

export type FleetSetting = {
  readonly seed: number;
  readonly configs: readonly string[];
  readonly url: string;
  readonly syncPort: number;
  readonly token: string;
  readonly dataDir: string;
};

/** An instance evaluates with a generation from now on; `at` is ms since 1970. */
export type Sighting = {
  readonly target: string;
  readonly instance: string;
  readonly generation: number;
  readonly at: number;
};

export type FleetFindings = {
  readonly truth: GroundTruth;
  readonly sightings: readonly Sighting[];
  /** Mean seconds from an answer until the controller has taken its report. */
  readonly reportSeconds: number;
  readonly requests: number;
  /** Batches that were lost or refused, and single items that were refused: 0 unless something is wrong. */
  readonly lost: number;
  readonly lastProblem: string | null;
};

export type FleetOrder =
  | { readonly do: 'start'; readonly setting: FleetSetting }
  | { readonly do: 'fault'; readonly fault: FaultInput }
  | { readonly do: 'find' }
  | { readonly do: 'stop' };
export type FleetReport = { readonly is: 'done' } | { readonly is: 'found'; readonly findings: FleetFindings };

/** What the fleets saw, gathered while they serve. */
class Watcher {
  readonly sightings: Sighting[] = [];
  #requests = 0;
  #waited = 0;

  take(event: FleetEvent): void {
    const { target, instance, at } = event;
    if (event.type === 'generation') this.sightings.push({ target, instance, generation: event.generation, at });
    if (event.type !== 'sent') return;
    for (const { from, ms, requests } of event.windows) {
      this.#requests += requests;
      this.#waited += requests * (at - Date.parse(from) - ms / 2);
    }
  }

  get reportSeconds(): number {
    return this.#waited / this.#requests / 1_000;
  }
}

let simulator: Simulator | undefined;
const watcher = new Watcher();

const running = (): Simulator => {
  if (!simulator) throw new Error('The fleets were not started.');
  return simulator;
};

const findings = (): FleetFindings => {
  const { requests, batches } = running().stats();
  return {
    truth: running().groundTruth(),
    sightings: watcher.sightings,
    reportSeconds: watcher.reportSeconds,
    requests,
    lost: batches.dropped + batches.refused + batches.rejectedItems,
    lastProblem: batches.lastProblem,
  };
};

const obey = async (order: FleetOrder): Promise<FleetReport> => {
  switch (order.do) {
    case 'start': {
      const { seed, configs, ...where } = order.setting;
      simulator = await startSimulator({ scenario: fleetsOf(seed, configs), ...where });
      simulator.onEvent((event) => watcher.take(event));
      return { is: 'done' };
    }
    case 'fault':
      running().addFault(order.fault);
      return { is: 'done' };
    case 'find':
      return { is: 'found', findings: findings() };
    case 'stop':
      await running().stop();
      return { is: 'done' };
  }
};

const fail = (error: unknown): void => {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exit(1);
};

process.on('message', (order: FleetOrder) => {
  obey(order)
    .then((report) => {
      process.send?.(report);
      if (order.do === 'stop') process.disconnect();
    })
    .catch(fail);
});
