import { connect, type Socket } from 'node:net';
import { FlagdCore } from '@openfeature/flagd-core';
import { renderRuleset } from '#libs/domain';
import type { JsonObject } from '#libs/kernel';
import type { Bench, BenchContext, Figures } from './harness.js';
import { ratioOf, summarise, takeTurns } from './harness.js';
import { startServing, type Serving } from './serving.js';

const TARGET = 'api-us';
const FLAGS = 50;
const KEYS = 1_000_000;
const CONNECTIONS = 32;

const configOf = (n: number): string => `config-${n}`;

/** Fifty configs, each in a rollout of its own. */
const RULESET = renderRuleset({
  target: TARGET,
  generation: 1,
  configs: Array.from({ length: FLAGS }, (_, n) => ({
    config: configOf(n),
    control: 1,
    candidate: 2,
    shareBp: 1_000,
    rollout: `rollout-${n}`,
    values: { 1: { pool: 'short', above: 200_000 }, 2: { pool: 'long', above: 400_000 } },
  })),
});

let drawn = 0;
/** The next of a million keys, all of one length. */
const nextKey = (): string => `unit-${String((drawn = (drawn + 1) % KEYS)).padStart(7, '0')}`;

const bodyOf = (key: string): JsonObject => ({ context: { targetingKey: key } });

/** The bytes of requests; only the key is another each time, and for one flag the flag. */
const requestsTo = ({ service }: Serving, path: string): (() => string) => {
  const head = `Host: bench\r\nAuthorization: Bearer ${service}\r\nContent-Type: application/json\r\n`;
  const length = JSON.stringify(bodyOf(nextKey())).length;
  let flag = 0;
  return () => {
    const where = path.replace('{key}', configOf((flag = (flag + 1) % FLAGS)));
    return `POST ${where} HTTP/1.1\r\n${head}Content-Length: ${length}\r\n\r\n${JSON.stringify(bodyOf(nextKey()))}`;
  };
};

const LENGTH = /\r\ncontent-length: (\d+)\r\n/i;

/** Asks over one connection, one request after the other, until the time is over; gives how many were answered well. */
const askOn = (socket: Socket, next: () => string, until: number): Promise<number> =>
  new Promise((resolve, reject) => {
    let answered = 0;
    let got = '';
    const read = (bytes: Buffer): void => {
      got += bytes.toString('latin1');
      const end = got.indexOf('\r\n\r\n');
      if (end < 0) return;
      const length = Number(LENGTH.exec(got.slice(0, end + 2))?.[1] ?? Number.NaN);
      if (!got.startsWith('HTTP/1.1 200')) return fail(new Error(`Not an evaluation: ${got.slice(0, 300)}`));
      if (got.length < end + 4 + length) return;
      got = '';
      answered += 1;
      if (performance.now() < until) socket.write(next());
      else done();
    };
    const leave = (): void => void socket.off('data', read).off('error', fail);
    const done = (): void => {
      leave();
      resolve(answered);
    };
    const fail = (error: Error): void => {
      leave();
      reject(error);
    };
    socket.on('data', read).on('error', fail);
    socket.write(next());
  });

const open = async ({ url }: Serving): Promise<readonly Socket[]> => {
  const { port, hostname } = new URL(url);
  const sockets = Array.from({ length: CONNECTIONS }, () => connect(Number(port), hostname).setNoDelay());
  await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('connect', resolve))));
  return sockets;
};

/** The official evaluator alone, in this process; evaluations/s. */
const inProcess = (ms: number): number => {
  const core = new FlagdCore();
  core.setConfigurations(JSON.stringify(RULESET));
  const begun = performance.now();
  let done = 0;
  for (; performance.now() - begun < ms; done += 1) {
    const { variant } = core.resolveObjectEvaluation(configOf(done % FLAGS), {}, { targetingKey: nextKey() });
    if (variant !== 'r1' && variant !== 'r2') throw new Error(`An evaluation gave ${variant}.`);
  }
  return done / ((performance.now() - begun) / 1_000);
};

const measure = async (context: BenchContext): Promise<Figures> => {
  const [rounds, ms] = context.quick ? [5, 700] : [9, 3_000];
  const serving = await startServing(await context.database('bench_evaluate'));
  try {
    await serving.ask({ do: 'serve', target: TARGET, ruleset: RULESET as unknown as JsonObject, generation: 1 });
    const sockets = await open(serving);
    const path = `/v1/targets/${TARGET}/ofrep/v1/evaluate/flags`;
    const cpu: Record<Served, number[]> = { one: [], constantOne: [], all: [], constantAll: [] };
    const rate = (side: Served, where: string) => async (): Promise<number> => {
      const constantly = side.startsWith('constant') ? bodyOf(nextKey()) : undefined;
      const before = await serving.ask({ do: 'answer', target: TARGET, constantly });
      const next = requestsTo(serving, where);
      const begun = performance.now();
      const each = await Promise.all(sockets.map((socket) => askOn(socket, next, begun + ms)));
      const seconds = (performance.now() - begun) / 1_000;
      const answered = each.reduce((sum, count) => sum + count, 0);
      const after = await serving.ask({ do: 'answer', target: TARGET, constantly });
      cpu[side].push((after.cpuMs - before.cpuMs) / answered);
      return answered / seconds;
    };
    const sides = {
      one: rate('one', `${path}/{key}`),
      constantOne: rate('constantOne', `${path}/{key}`),
      all: rate('all', path),
      constantAll: rate('constantAll', path),
      alone: () => Promise.resolve(inProcess(ms / 4)),
    };
    for (const warmUp of Object.values(sides)) await warmUp();
    for (const each of Object.values(cpu)) each.length = 0;
    const measured = await takeTurns(rounds, sides);
    for (const socket of sockets) socket.destroy();
    return report(context, { measured, cpu }, ms);
  } finally {
    await serving.stop();
  }
};

type Served = 'one' | 'constantOne' | 'all' | 'constantAll';
type Side = Served | 'alone';
type Measured = {
  readonly measured: Readonly<Record<Side, number[]>>;
  /** Of the server's processor for each request, in ms: what else the machine does changes it little. */
  readonly cpu: Readonly<Record<Served, number[]>>;
};

const report = (context: BenchContext, { measured, cpu }: Measured, ms: number): Figures => {
  const cpuRatio = ratioOf(cpu.constantOne, cpu.one).median;
  const bulkCpuRatio = ratioOf(cpu.constantAll, cpu.all).median;
  const [ratio, bulk] = [ratioOf(measured.one, measured.constantOne), ratioOf(measured.all, measured.constantAll)];
  const of = (side: Side) => summarise(measured[side]);
  context.say(`  ${KEYS} keys, ${FLAGS} flags in as many rollouts, ${CONNECTIONS} connections, ${ms} ms a round`);
  context.say(
    `  one flag                  ${of('one').median} evaluations/s; a constant ${of('constantOne').median}/s`,
  );
  context.say(
    `  all ${FLAGS} flags at once      ${of('all').median * FLAGS} evaluations/s in ${of('all').median} requests/s; a constant of as many bytes ${of('constantAll').median} requests/s: ratio ${bulk.median}`,
  );
  context.say(
    `  by the server's processor: a constant costs ${cpuRatio} of one flag, and ${bulkCpuRatio} of all ${FLAGS} flags (${summarise(cpu.all).median} ms a request)`,
  );
  context.say(`  in process, without HTTP  ${of('alone').median} evaluations/s`);
  return {
    ratio: ratio.median,
    spread: ratio.spread,
    cpuRatio,
    bulkRatio: bulk.median,
    bulkCpuRatio,
    evaluations: of('one').median,
    bulkEvaluations: of('all').median * FLAGS,
    inProcess: of('alone').median,
    perSecond: { one: of('one'), constantOne: of('constantOne'), all: of('all'), constantAll: of('constantAll') },
  };
};

export const evaluate: Bench = {
  measures:
    'evaluations of one flag of 50 by OFREP, each with another of a million keys and no result kept, against the same server answering the same bytes every time; beside it all 50 flags in one request, and the official evaluator in process',
  quick: '5 rounds of 0.7 s instead of 9 of 3 s',
  musts: [{ key: 'ratio', atLeast: 0.5 }],
  run: measure,
};
