import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { EventView } from '#libs/contracts';
import type { RolloutView } from '#libs/contracts';
import { EXIT } from './exit-codes.js';
import { runCli } from './program.js';
import { event, problem, rollout, ROLLOUT_ID, rolledBack } from './testing/fixtures.js';
import { startServer } from './testing/http-server.js';
import type { TestServer } from './testing/http-server.js';
import { scriptedTerminal } from './testing/scripted-terminal.js';

/** A controller with one rollout whose state and log the spec moves on. */
describe('watching a rollout', () => {
  let server: TestServer;
  let state: RolloutView;
  let log: EventView[];
  const streams = new Set<ServerResponse>();
  const send = (response: ServerResponse, one: EventView) =>
    response.write(`id: ${one.position}\nevent: event\ndata: ${JSON.stringify(one)}\n\n`);

  const happens = (one: EventView, next: Partial<RolloutView> = {}) => {
    log.push(one);
    state = { ...state, ...next, position: one.position };
    for (const response of streams) send(response, one);
  };
  const connected = () => vi.waitFor(() => expect(streams.size).toBe(1));

  const start = (args = '', script: Parameters<typeof scriptedTerminal>[0] = {}) => {
    const terminal = scriptedTerminal({ ...script, env: { HEADGATE_URL: server.url } });
    const code = runCli(`watch ${ROLLOUT_ID} ${args}`.trim().split(' '), terminal);
    return { terminal, code };
  };

  beforeEach(async () => {
    server = await startServer();
    state = rollout();
    log = [event(119), event(120)];
    server.on(`GET /v1/rollouts/${ROLLOUT_ID}`, () => ({ json: state }));
    server.on('GET /v1/events', ({ query }) => ({
      json: { items: log.filter(({ position }) => position > Number(query['after'])), nextCursor: null },
    }));
    server.on('GET /v1/events/stream', ({ headers }) => ({
      write: (response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' }).write(': hello\n\n');
        for (const one of log.filter(({ position }) => position > Number(headers['last-event-id'])))
          send(response, one);
        streams.add(response);
        response.once('close', () => streams.delete(response));
      },
    }));
  });
  afterEach(async () => {
    streams.clear();
    await server.close();
  });

  it('in a pipe each event is one line of JSON, from now on, and a rollback ends it with exit code 3', async () => {
    const { terminal, code } = start();
    await connected();
    happens(event(125));
    happens(event(130, { type: 'RolledBack', summary: 'taken back' }), rolledBack());
    expect(await code).toBe(EXIT.rolledBack);
    const lines = terminal.stdout().trim().split('\n');
    expect(lines.map((line) => EventView.parse(JSON.parse(line)).position)).toEqual([125, 130]);
    expect(terminal.stderr()).toContain('was rolled back after 10.5 min: script errors on api-tpu: 41 of 9,120');
  });

  it('in a terminal it shows the rollout, then only changes as lines, and a settled rollout ends with 0', async () => {
    const { terminal, code } = start('', { tty: true });
    await connected();
    happens(event(125, { summary: 'api enters 100%' }), { waitingFor: ['api/100%: bake, 1 s of 30 s'] });
    await vi.waitFor(() => expect(terminal.stdout()).toContain('waiting for: api/100%: bake, 1 s of 30 s'));
    happens(event(126, { summary: 'still baking' }), { waitingFor: ['api/100%: bake, 9 s of 30 s'] });
    await vi.waitFor(() => expect(terminal.stdout()).toContain('still baking'));
    happens(event(130, { summary: 'settled' }), {
      status: 'settled',
      endedAt: '2025-08-29T12:30:00.000Z',
      waitingFor: [],
    });
    expect(await code).toBe(EXIT.ok);
    const text = terminal.stdout();
    expect(text).toContain('TARGET');
    expect(text).toContain('12:03:12  api enters 100%\n');
    expect(text).not.toContain('9 s of 30 s');
    expect(text).toContain('router.context r2 settled after 30 min: last known good on 2 targets');
  });

  it('says where a change did not stay, when one of its tracks was taken back alone, and does not end as if it were everywhere', async () => {
    const { terminal, code } = start();
    await connected();
    happens(event(130, { summary: 'settled' }), {
      status: 'settled',
      endedAt: '2025-08-29T12:30:00.000Z',
      waitingFor: [],
      tracks: state.tracks.map((track, index) => (index === 0 ? track : { ...track, status: 'taken-back' })),
      targets: state.targets.map((target, index) => ({ ...target, purpose: index === 0 ? 'settle' : 'rollback' })),
    });
    expect(await code).toBe(EXIT.rolledBack);
    expect(terminal.stderr()).toContain('settled in part after 30 min: last known good on 1 target; taken back from');
  });

  it('--after brings what happened before, each event once, also when the rollout has ended', async () => {
    state = rolledBack();
    log.push(event(130));
    const { terminal, code } = start('--after 119 -o json');
    expect(await code).toBe(EXIT.rolledBack);
    const positions = terminal
      .stdout()
      .trim()
      .split('\n')
      .map((line) => EventView.parse(JSON.parse(line)).position);
    expect(positions).toEqual([120, 130]);
  });

  it('a lost connection mends itself without a gap', async () => {
    const { terminal, code } = start('-o json');
    await connected();
    for (const response of streams) response.destroy();
    log.push(event(124));
    await connected();
    happens(event(125), { status: 'settled', endedAt: '2025-08-29T12:30:00.000Z' });
    expect(await code).toBe(EXIT.ok);
    const positions = terminal
      .stdout()
      .trim()
      .split('\n')
      .map((line) => EventView.parse(JSON.parse(line)).position);
    expect(positions).toEqual([124, 125]);
  });

  it('Ctrl-C only detaches: exit code 130, nothing is sent, and it says that the rollout goes on', async () => {
    const { terminal, code } = start();
    await connected();
    terminal.interrupt();
    expect(await code).toBe(EXIT.interrupted);
    expect(terminal.stderr()).toContain(`detached; the rollout goes on. Follow it again: headgate watch ${ROLLOUT_ID}`);
    expect(server.seen.every(({ method }) => method === 'GET')).toBe(true);
  });

  it('--timeout ends the watch with exit code 4 and leaves the rollout alone', async () => {
    const { terminal, code } = start('--timeout 30ms');
    expect(await code).toBe(EXIT.timeout);
    expect(terminal.stderr()).toContain('the rollout goes on');
    expect(server.seen.every(({ method }) => method === 'GET')).toBe(true);
  });

  it('--fail-on-hold ends with exit code 5 when a person must act, not while a hold ends by itself', async () => {
    state = rollout({ held: { by: 'policy', reason: 'short freeze', until: '2025-08-29T13:00:00.000Z' } });
    const { terminal, code } = start('--fail-on-hold');
    await connected();
    happens(event(125), { held: { by: 'person', reason: 'lunch', until: null } });
    expect(await code).toBe(EXIT.waitingForPerson);
    expect(terminal.stderr()).toContain('held until a person acts: lunch');
  });

  it('a token that is revoked while watching ends it with exit code 7', async () => {
    const { terminal, code } = start();
    await connected();
    server.on('GET /v1/events/stream', () => ({
      status: 401,
      json: problem({ status: 401, code: 'unauthenticated' }),
    }));
    for (const response of streams) response.destroy();
    expect(await code).toBe(EXIT.auth);
    expect(terminal.stderr()).toContain('unauthenticated');
  });

  it('a rollout that is superseded ends the watch with exit code 3, and says that it stays live', async () => {
    const { terminal, code } = start();
    await connected();
    happens(event(125), { status: 'superseded', endedAt: '2025-08-29T12:30:00.000Z' });
    expect(await code).toBe(EXIT.rolledBack);
    expect(terminal.stderr()).toContain('router.context r2 was superseded after 30 min: it stays live');
  });

  it('undo --watch follows the rollout that takes back', async () => {
    server.on('POST /v1/configs/router.context/undo', () => ({ status: 201, json: state }));
    const terminal = scriptedTerminal({ env: { HEADGATE_URL: server.url } });
    const code = runCli(['undo', 'router.context', '--reason', 'because', '--watch'], terminal);
    await connected();
    happens(event(130), { status: 'settled', endedAt: '2025-08-29T12:30:00.000Z' });
    expect(await code).toBe(EXIT.ok);
  });

  it('start --watch follows the new rollout to its end', async () => {
    server.on('POST /v1/rollouts', () => ({ status: 201, json: state }));
    const terminal = scriptedTerminal({ env: { HEADGATE_URL: server.url } });
    const code = runCli(['start', 'router.context', '--plan', 'cautious', '--reason', 'because', '--watch'], terminal);
    await connected();
    happens(event(130), rolledBack());
    expect(await code).toBe(EXIT.rolledBack);
    expect(terminal.stderr()).toContain(`started rollout ${ROLLOUT_ID}`);
  });
});
