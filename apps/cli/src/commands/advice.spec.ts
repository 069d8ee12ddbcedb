import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ConfigView, RolloutView, TargetView } from '#libs/contracts';
import { EXIT } from '../exit-codes.js';
import { runAgainst } from '../testing/command-line.js';
import { event, problem, rollout, ROLLOUT_ID, rolledBack } from '../testing/fixtures.js';
import { startServer } from '../testing/http-server.js';
import type { TestServer } from '../testing/http-server.js';

let server: TestServer;
beforeEach(async () => {
  server = await startServer();
});
afterEach(() => server.close());

const run = (args: string, script?: Parameters<typeof runAgainst>[2]) => runAgainst(server, args, script);
const hold = (by: 'person' | 'policy', reason: string): RolloutView['held'] => ({ by, reason, until: null });

describe('resume says what it did', () => {
  const resume = async (before: RolloutView['held'], after: RolloutView['held']) => {
    server.on(`GET /v1/rollouts/${ROLLOUT_ID}`, () => ({ json: rollout({ held: before }) }));
    server.on(`POST /v1/rollouts/${ROLLOUT_ID}/resume`, () => ({ json: rollout({ held: after }) }));
    return run(`resume ${ROLLOUT_ID} --reason go_on`);
  };

  it('where only a policy holds it, that nothing was paused, why it is held, and what ends that', async () => {
    const silence = hold('policy', 'api: no evidence arrives');
    const { code, err } = await resume(silence, silence);
    expect(code).toBe(EXIT.ok);
    expect(err).toContain('nothing was paused by a person; it is held by a policy: api: no evidence arrives;');
    expect(err).toContain('it goes on by itself once that is over');
    expect(err).toContain(`headgate promote ${ROLLOUT_ID}, headgate abort ${ROLLOUT_ID}`);
  });

  it('where it goes on, where it was not paused, and where a policy holds it once the pause is over', async () => {
    const paused = hold('person', 'look into it');
    expect((await resume(paused, null)).err).toBe(`follow it with: headgate watch ${ROLLOUT_ID}\n`);
    expect((await resume(null, null)).err).toContain('it was not paused');
    const { err } = await resume(paused, hold('policy', 'api: no evidence arrives'));
    expect(err).toContain('the pause is over; it is held by a policy');
  });
});

const config = (key: string): ConfigView => ({
  key,
  kind: 'quality',
  assignment: 'unit',
  description: null,
  schema: null,
  revisions: [],
  live: {},
  claims: {},
  retired: false,
  version: 1,
});
const target = (name: string): TargetView => ({
  target: name,
  platform: 'api',
  labels: {},
  models: [],
  driver: 'pull',
  settings: {},
  generation: 0,
  drift: null,
  undelivered: null,
  silent: [],
  instances: [],
  live: [],
  retired: false,
  version: 1,
});

describe('a name that nothing has is said before anything is sent', () => {
  it.each([
    ['Nonsense', 'types: ConfigRegistered, RevisionProposed'],
    ['rolloutstarted', 'did you mean RolloutStarted?'],
    ['Rolled', 'did you mean RolledBack?'],
  ])('history --type %s', async (type, said) => {
    const { code, out, err } = await run(`history --type ${type}`);
    expect([code, out]).toEqual([EXIT.usage, '']);
    expect(err).toContain(`no event has the type "${type}"`);
    expect(err).toContain(said);
    expect(server.seen).toEqual([]);
  });

  it('history --type with a type that there is goes on as ever', async () => {
    server.on('GET /v1/events', () => ({ json: { items: [event(1)], nextCursor: null } }));
    expect((await run('history --type StageEntered')).code).toBe(EXIT.ok);
  });

  it.each([
    ['history --config router.contxt', 'config', 'router.contxt', 'did you mean router.context?'],
    ['history --target api-tpv', 'target', 'api-tpv', 'did you mean api-tpu?'],
    ['status --config router.contxt', 'config', 'router.contxt', 'did you mean router.context?'],
  ])('%s finds nothing, and says that there is no such thing', async (args, kind, name, near) => {
    server.on('GET /v1/events', () => ({ json: { items: [], nextCursor: null } }));
    server.on('GET /v1/rollouts', () => ({ json: { items: [], nextCursor: null } }));
    server.on('GET /v1/configs', () => ({ json: { items: [config('router.context')] } }));
    server.on('GET /v1/targets', () => ({ json: { items: [target('api-tpu')] } }));
    for (const path of [`configs/${name}`, `targets/${name}`])
      server.on(`GET /v1/${path}`, () => ({ status: 404, json: problem({ status: 404, code: `${kind}-not-found` }) }));
    const { code, out, err } = await run(args);
    expect([code, out]).toEqual([EXIT.usage, '']);
    expect(err).toContain(`there is no ${kind} "${name}"`);
    expect(err).toContain(near);
  });

  it('history of a config of which nothing fits says only that', async () => {
    server.on('GET /v1/events', () => ({ json: { items: [], nextCursor: null } }));
    server.on('GET /v1/configs/router.context', () => ({ json: config('router.context') }));
    const { code, err } = await run('history --config router.context --type RolledBack');
    expect([code, err]).toEqual([EXIT.ok, 'no events fit\n']);
  });

  it('abandon of a target that was given up says so, asks nothing and sends nothing', async () => {
    const before = rolledBack();
    const targets = before.targets.map((each) => ({ ...each, ended: 'abandoned' as const }));
    server.on(`GET /v1/rollouts/${ROLLOUT_ID}`, () => ({ json: { ...before, targets } }));
    const { code, err } = await run(`abandon ${ROLLOUT_ID} --target api-tpu --reason again`, { tty: true });
    expect(code).toBe(EXIT.ok);
    expect(err).toContain('api-tpu was given up before: there is nothing to give up, and nothing was recorded');
    expect(server.seen.map(({ method }) => method)).not.toContain('POST');
  });

  it('abandon by the name of a config means a rollout that is over, too, where a track of it still drains', async () => {
    const over = rolledBack({ status: 'superseded' });
    const [first, ...rest] = over.targets.map((each) => ({ ...each, ended: 'drained' as const }));
    const draining = { ...first!, purpose: 'rollback' as const, ended: null };
    server.on('GET /v1/rollouts', () => ({
      json: { items: [{ ...over, targets: [draining, ...rest] }], nextCursor: null },
    }));
    const { terminal } = await run('abandon router.context --target api-tpu --reason closed', { tty: true });
    expect(terminal.questions).toEqual([
      expect.stringContaining('Give up api-tpu in the rollback of router.context r2?'),
    ]);
  });

  it('abandon --target lists the targets of the rollout, and asks nothing', async () => {
    server.on(`GET /v1/rollouts/${ROLLOUT_ID}`, () => ({ json: rolledBack({ status: 'rolling-back' }) }));
    const { code, err, terminal } = await run(`abandon ${ROLLOUT_ID} --target nonsense`, { tty: true });
    expect(code).toBe(EXIT.usage);
    expect(err).toContain('nonsense is not a target of the rollout of router.context r2');
    expect(err).toContain('its targets: api-tpu, bedrock-trainium');
    expect(terminal.questions).toEqual([]);
  });
});

describe('a refusal', () => {
  it('of a promote while it is paused names the command that resumes it', async () => {
    server.on(`GET /v1/rollouts/${ROLLOUT_ID}`, () => ({ json: rollout() }));
    const detail = `Rollout ${ROLLOUT_ID} is paused (look): resume it first.`;
    server.on(`POST /v1/rollouts/${ROLLOUT_ID}/promote`, () => ({
      status: 409,
      json: problem({ code: 'rollout-held', detail }),
    }));
    const { code, err } = await run(`promote ${ROLLOUT_ID} --reason urgent`);
    expect(code).toBe(EXIT.conflict);
    expect(err).toContain(`next: resume it with: headgate resume ${ROLLOUT_ID} --reason "…"`);
  });
});
