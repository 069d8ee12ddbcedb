import type { JsonObject } from '#libs/kernel';
import { ChangeStreams, OfrepEvaluator, type StreamSink } from '#libs/platforms';
import { startInProcess } from '#test/kit/in-process';

/** What the parent asks of a controller process that serves fleets. */
export type Order =
  | { readonly do: 'serve'; readonly target: string; readonly ruleset: JsonObject; readonly generation: number }
  /** From here on OFREP answers with what it answered to this body, whatever is asked; undefined: it evaluates again. */
  | { readonly do: 'answer'; readonly target: string; readonly constantly: JsonObject | undefined }
  /** Writes this to every open event stream, and nothing else. */
  | { readonly do: 'broadcast'; readonly text: string }
  | { readonly do: 'stop' };

export type Report =
  | { readonly is: 'ready'; readonly url: string; readonly operator: string; readonly service: string }
  /** `cpuMs`: what the process has used of the processor so far. */
  | { readonly is: 'done'; readonly at: number; readonly cpuMs: number };

const { prototype } = OfrepEvaluator;
// Kept to be put back, and called with the evaluator itself.
const evaluating = { evaluateOne: prototype.evaluateOne, evaluateAll: prototype.evaluateAll };
const sinks = new Set<StreamSink>();

/** The streams of the server, as it has them. */
const listen = (): void => {
  const { add } = ChangeStreams.prototype;
  ChangeStreams.prototype.add = function (this: ChangeStreams, pass, lastEventId, sink) {
    sinks.add(sink);
    sink.once('close', () => sinks.delete(sink));
    add.call(this, pass, lastEventId, sink);
  };
};

const answerConstantly = (evaluator: OfrepEvaluator, target: string, body: JsonObject): void => {
  const all = evaluating.evaluateAll.call(evaluator, target, body, undefined);
  const { flags } = JSON.parse(all.body ?? '') as { readonly flags: readonly { readonly key: string }[] };
  const one = evaluating.evaluateOne.call(evaluator, target, flags[0]?.key ?? '', body);
  prototype.evaluateOne = () => one;
  prototype.evaluateAll = () => all;
};

const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
};

const now = (): number => performance.timeOrigin + performance.now();

const main = async (): Promise<void> => {
  listen();
  const running = await startInProcess(process.argv[2] ?? '');
  const { core } = running.controller;
  const evaluator = new OfrepEvaluator(core.feed);
  const report = (message: Report): void => void process.send?.(message);
  const obey = async (order: Order): Promise<number> => {
    switch (order.do) {
      case 'serve':
        await core.pull.apply(order.target, order.ruleset, order.generation);
        return now();
      case 'answer':
        if (order.constantly) answerConstantly(evaluator, order.target, order.constantly);
        else Object.assign(prototype, evaluating);
        return now();
      case 'broadcast': {
        const bytes = Buffer.from(order.text);
        const at = now();
        for (const sink of sinks) sink.write(bytes);
        return at;
      }
      case 'stop':
        await running.stop();
        process.disconnect?.();
        return now();
    }
  };
  process.on('message', (order: Order) => {
    void obey(order).then((at) => (order.do === 'stop' ? undefined : report({ is: 'done', at, cpuMs: cpuMs() })));
  });
  const { url, token: service = '' } = running.service;
  report({ is: 'ready', url, operator: running.operator.token ?? '', service });
};

await main();
