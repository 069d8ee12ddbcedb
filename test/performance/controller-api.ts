import { setTimeout as sleep } from 'node:timers/promises';
import type { ControllerProcess } from '../../apps/simulator/src/demo/controller-process.js';
import { connect } from '../../apps/simulator/src/fleet/connection.js';

export const PATIENCE_MS = 60_000;

/** The HTTP API of a controller; an answer that is no success throws with its text. */
export type Api = {
  readonly call: (method: 'GET' | 'POST', path: string, body?: object) => Promise<Record<string, unknown>>;
};

export const apiOf = ({ url, adminToken }: ControllerProcess): Api => {
  const connection = connect(url, adminToken);
  const call: Api['call'] = async (method, path, body) => {
    const given = body === undefined ? {} : { body: JSON.stringify(body) };
    const { status, text } = await connection.call({ method, path, ...given });
    if (status >= 300) throw new Error(`${method} ${path} answered ${status}: ${text.slice(0, 500)}`);
    return JSON.parse(text) as Record<string, unknown>;
  };
  return { call };
};

/** Waits until something can be told; what is waited for is named where that lasts too long. */
export const until = async <T>(what: string, ask: () => Promise<T | undefined>): Promise<T> => {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (Date.now() > deadline) throw new Error(`After a minute there was still not: ${what}.`);
    await sleep(100);
  }
};

export const waitUntilOver = async (api: Api, rollouts: ReadonlyMap<string, string>): Promise<void> => {
  for (const id of rollouts.values())
    await until(`the end of rollout ${id}`, async () => {
      const { status } = await api.call('GET', `/v1/rollouts/${id}`);
      return status === 'rolled-back' ? true : undefined;
    });
};

export type Event = {
  readonly type: string;
  readonly recordedAt: string;
  readonly data: Readonly<Record<string, unknown>>;
};

export const eventsOf = async (api: Api, rollout: string): Promise<readonly Event[]> =>
  ((await api.call('GET', `/v1/events?rollout=${rollout}&limit=1000`)) as { items: readonly Event[] }).items;

/** A plan is made from the traffic that was seen lately. */
export const waitForTraffic = (
  api: Api,
  asked: { readonly config: string; readonly plan: string },
  targets: readonly string[],
): Promise<true> =>
  until('traffic on every platform', async () => {
    const { traffic } = (await api.call('POST', '/v1/plan-previews', asked)) as {
      readonly traffic: { readonly perTarget: Readonly<Record<string, number>> };
    };
    return targets.every((target) => (traffic.perTarget[target] ?? 0) > 0) ? true : undefined;
  });
