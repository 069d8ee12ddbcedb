import { connect } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { clientOf } from '#test/kit/http';
import { startInProcess, type InProcess } from '#test/kit/in-process';
import { config } from '#test/kit/manifests';
import { until } from '#test/kit/until';
import { createTestDatabase, type TestDatabase } from '#test/test-database';

let database: TestDatabase;
let controller: InProcess;

beforeAll(async () => {
  database = await createTestDatabase();
  controller = await startInProcess(database.url);
});

afterAll(async () => {
  await controller.stop();
  await database.drop();
});

/** Everything that is answered to what is only half sent, until the server hangs up. */
const answerTo = (text: string): Promise<string> => {
  const { hostname, port } = new URL(controller.admin.url);
  return new Promise((resolve) => {
    const heard: string[] = [];
    const socket = connect(Number(port), hostname, () => socket.write(text));
    socket.on('data', (data) => heard.push(String(data)));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(heard.join('')));
  });
};

it('a request that does not arrive as a whole is answered with a problem and let go of; a stream meanwhile is not', async () => {
  const { url, token } = controller.admin;
  const leave = new AbortController();
  const authorization = `Bearer ${token}`;
  const stream = await fetch(`${url}/v1/events/stream`, { headers: { authorization }, signal: leave.signal });
  const seen: string[] = [];
  const reading = (async () => {
    for await (const part of stream.body ?? []) seen.push(Buffer.from(part).toString());
  })().catch(() => undefined);

  const head = `POST /v1/manifests HTTP/1.1\r\nhost: x\r\nauthorization: ${authorization}\r\n`;
  const answers = await Promise.all([
    answerTo(`${head}content-type: application/json\r\ncontent-length: 1000\r\n\r\n{"manifests":`),
    answerTo(head),
  ]);
  for (const answer of answers) {
    expect(answer).toMatch(/^HTTP\/1.1 408 /);
    expect(answer).toContain('"code":"request-timeout"');
  }

  await clientOf(controller.admin).apply({ manifests: [config('after', { a: 1 })] });
  await until('the stream tells of what came after', () => seen.some((part) => part.includes('"after"')));
  leave.abort();
  await reading;
  expect(controller.complaints).toEqual([]);
});
