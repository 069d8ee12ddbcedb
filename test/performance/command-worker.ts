import { createHash, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { SteerRolloutCommand, SteerRolloutHandler, type CommandContext } from '#libs/application';
import { createPool } from '#libs/postgres';
import type { Pool } from 'pg';
import { loadConfig } from '../../apps/controller/src/config.js';
import { startCore, type Core } from '../../apps/controller/src/composition/core.js';
import { makeLog } from '../../apps/controller/src/composition/log.js';

/** `command` through the whole core of a controller; `bare` one row in one transaction, nothing else. */
export type Side = 'command' | 'bare';

/** What the parent asks of a controller process. */
export type Order =
  | {
      readonly do: 'pace';
      readonly side: Side;
      readonly rollouts: readonly string[];
      readonly perSecond: number;
      readonly seconds: number;
    }
  | {
      readonly do: 'rush';
      readonly side: Side;
      readonly rollouts: readonly string[];
      readonly callers: number;
      readonly seconds: number;
    }
  | { readonly do: 'stop' };

export type Report =
  { readonly is: 'ready' } | { readonly is: 'done'; readonly latenciesMs: readonly number[]; readonly seconds: number };

type Work = (index: number) => Promise<void>;

/** A timer that is this late is ordinary; later than that the wait counts as the call's own. */
const TIMER_MS = 2;

/** Bytes of a row, as many as an event of this command has. */
const BARE_ROW = 'x'.repeat(520);

const personal = (rollout: string, steering: string): CommandContext => {
  const commandId = `bench/${randomUUID()}`;
  const fingerprint = createHash('sha256').update(`${steering} ${rollout}`).digest('hex');
  return { actor: { kind: 'token', name: 'bench' }, commandId, fingerprint, correlationId: commandId, reason: 'bench' };
};

/** Pauses a rollout that runs and resumes one that is paused: each call decides, and appends one event and its record. */
const commands = async (core: Core, rollouts: readonly string[]): Promise<Work> => {
  await core.view.caughtUpWith(await core.store.head());
  const handler = new SteerRolloutHandler(core.runner, core.view, core.conductor);
  const paused = rollouts.map((id) => core.view.rollouts.get(id)?.rollout.held?.by === 'person');
  return async (index) => {
    const rollout = rollouts[index] ?? '';
    const steering = paused[index] ? 'resume' : 'pause';
    const context = personal(rollout, steering);
    const outcome = await handler.execute(
      new SteerRolloutCommand(rollout, steering, 'bench', { track: null, stages: null, until: null }, context),
    );
    if (!outcome.accepted) throw new Error(`${steering} of ${rollout} was refused: ${outcome.rejection.message}`);
    if (outcome.events.length !== 1)
      throw new Error(`${steering} of ${rollout} wrote ${outcome.events.length} events.`);
    paused[index] = steering === 'pause';
  };
};

const rows = (pool: Pool): Work => {
  return async () => {
    await pool.query({
      name: 'bare',
      text: 'insert into bare (id, body) values ($1, $2)',
      values: [randomUUID(), BARE_ROW],
    });
  };
};

/** Calls at a steady rate, whatever the answers take; milliseconds of each. */
const pace = async (work: Work, among: number, perSecond: number, seconds: number): Promise<number[]> => {
  const latencies: number[] = [];
  const running = new Set<Promise<void>>();
  const free = Array.from({ length: among }, (_, index) => index);
  const gap = 1_000 / perSecond;
  const first = performance.now() + Math.random() * gap;
  for (let n = 0; n < perSecond * seconds; n += 1) {
    const due = first + n * gap;
    const early = due - performance.now();
    if (early > 0) await sleep(early);
    const now = performance.now();
    const from = now - due > TIMER_MS ? due : now;
    // A server that pauses makes the next call wait as well, which counts: it was due.
    while (free.length === 0) await Promise.race(running);
    const index = free.shift() ?? 0;
    const call = work(index).then(() => {
      latencies.push(performance.now() - from);
      free.push(index);
      running.delete(call);
    });
    running.add(call);
  }
  await Promise.all(running);
  return latencies;
};

/** Callers that call again as soon as they are answered. Each has its own rollouts. */
const rush = async (work: Work, among: number, callers: number, seconds: number): Promise<number[]> => {
  const latencies: number[] = [];
  const end = performance.now() + seconds * 1_000;
  const call = async (caller: number): Promise<void> => {
    for (let index = caller; performance.now() < end; index = index + callers < among ? index + callers : caller) {
      const from = performance.now();
      await work(index);
      latencies.push(performance.now() - from);
    }
  };
  await Promise.all(Array.from({ length: callers }, (_, caller) => call(caller)));
  return latencies;
};

const send = (report: Report): void => void process.send?.(report);

const main = async (url: string): Promise<void> => {
  const config = loadConfig({ HEADGATE_ROLE: 'api', HEADGATE_SYNC_PORT: '0', HEADGATE_LOG: 'quiet' });
  const core = await startCore(config, url, makeLog('quiet'));
  const pool = createPool(url, { max: 16 });
  const obey = async (order: Order): Promise<void> => {
    if (order.do === 'stop') {
      await core.stop();
      await pool.end();
      process.disconnect();
      return;
    }
    const work = order.side === 'bare' ? rows(pool) : await commands(core, order.rollouts);
    const from = performance.now();
    const latenciesMs =
      order.do === 'pace'
        ? await pace(work, order.rollouts.length, order.perSecond, order.seconds)
        : await rush(work, order.rollouts.length, order.callers, order.seconds);
    send({ is: 'done', latenciesMs, seconds: (performance.now() - from) / 1_000 });
  };
  const fail = (error: unknown): void => {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exit(1);
  };
  process.on('message', (order: Order) => void obey(order).catch(fail));
  send({ is: 'ready' });
};

await main(process.argv[2] ?? '');
