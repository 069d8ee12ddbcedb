import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EventList, EventView, RolloutView } from '#libs/contracts';
import { EXIT, EXIT_MEANINGS } from './exit-codes.js';
import { buildProgram } from './program.js';
import { Invocation } from './invocation.js';
import { at, event, OTHER_ID, preview, problem, rollout, ROLLOUT_ID, rolledBack } from './testing/fixtures.js';
import { runAgainst } from './testing/command-line.js';
import { startServer } from './testing/http-server.js';
import type { TestServer } from './testing/http-server.js';
import { scriptedTerminal } from './testing/scripted-terminal.js';

const SIGNAL =
  'apiVersion: headgate.dev/v1\nkind: Signal\nmetadata: { name: errors }\nspec: { type: rate, title: errors }\n';

describe('the command line', () => {
  let server: TestServer;
  const listing = (...items: ReturnType<typeof rollout>[]) =>
    server.on('GET /v1/rollouts', ({ query }) => ({
      json: {
        items: items.filter((one) => query['config'] === undefined || one.config === query['config']),
        nextCursor: null,
      },
    }));

  const run = (args: string, script?: Parameters<typeof runAgainst>[2]) => runAgainst(server, args, script);

  beforeEach(async () => {
    server = await startServer();
  });
  afterEach(() => server.close());

  it('apply sends all manifests at once and prints data on stdout, progress on stderr', async () => {
    server.on('POST /v1/manifests', () => ({
      json: { dryRun: false, results: [{ kind: 'Signal', name: 'errors', action: 'created', changes: [] }] },
    }));
    const { code, out, err } = await run('apply -f - --reason first_signal', { input: SIGNAL });
    expect(code).toBe(EXIT.ok);
    expect(out).toBe('signal/errors  created\n');
    expect(err).toBe('1 manifest: 1 created\n');
    expect(server.seen[0]?.body).toMatchObject({
      manifests: [{ kind: 'Signal' }],
      reason: 'first signal',
      dryRun: false,
    });
  });

  it.each([
    ['sources', 'write a manifest of kind Source'],
    ['hooks', 'headgate hooks add'],
  ])('%s says what to do where there is none', async (command, next) => {
    server.on(`GET /v1/${command}`, () => ({ json: { items: [] } }));
    const { code, out, err } = await run(command);
    expect({ code, out: out.trim() }).toEqual({ code: EXIT.ok, out: '' });
    expect(err).toContain(next);
  });

  it('apply maps the pointers of a refusal back to files and lines', async () => {
    server.on('POST /v1/manifests', () => ({
      status: 400,
      json: problem({
        status: 400,
        code: 'invalid-request',
        detail: 'A manifest cannot be applied',
        errors: [{ pointer: '/manifests/0/spec/title', detail: 'is used by another signal' }],
      }),
    }));
    const { code, out, err } = await run('apply -f -', { input: SIGNAL });
    expect(code).toBe(EXIT.usage);
    expect(out).toBe('');
    expect(err).toContain('A manifest cannot be applied (invalid-request, 400)');
    expect(err).toContain('stdin:4: /spec/title: is used by another signal');
    expect(err).toContain('next: mend the files');
  });

  it('apply sends nothing while any manifest is wrong', async () => {
    const { code, err } = await run('apply -f -', { input: `${SIGNAL}---\nkind: Pod` });
    expect(code).toBe(EXIT.usage);
    expect(err).toContain('stdin:6');
    expect(server.seen).toHaveLength(0);
  });

  it('plan shows the preview and writes nothing', async () => {
    server.on('POST /v1/plan-previews', () => ({ json: preview() }));
    const { code, out } = await run('plan router.context --plan cautious --revision 2');
    expect(code).toBe(EXIT.ok);
    expect(out).toContain('SMALLEST HARM SEEN');
    expect(server.seen.map(({ path, body }) => [path, body])).toEqual([
      ['/v1/plan-previews', { config: 'router.context', plan: 'cautious', revision: 2 }],
    ]);
  });

  it('start needs a reason; without a terminal nothing is asked', async () => {
    const { code, err } = await run('start router.context --plan cautious');
    expect(code).toBe(EXIT.usage);
    expect(err).toContain('needs a reason');
    expect(server.seen).toHaveLength(0);
  });

  it('start asks for the reason in a terminal', async () => {
    server.on('POST /v1/rollouts', () => ({ status: 201, json: rollout() }));
    const { code, terminal } = await run('start router.context --plan cautious', {
      tty: true,
      answers: ['short prompts'],
    });
    expect(code).toBe(EXIT.ok);
    expect(terminal.questions).toHaveLength(1);
    const body = { config: 'router.context', plan: 'cautious', reason: 'short prompts' };
    expect(server.seen.find(({ path }) => path === '/v1/rollouts')?.body).toEqual(body);
  });

  it('start says what the plan warns of, such as targets without an instance', async () => {
    server.on('POST /v1/plan-previews', () => ({
      json: { ...preview(), warnings: ['No instance is live on api-us'] },
    }));
    server.on('POST /v1/rollouts', () => ({ status: 201, json: rollout() }));
    const { code, err } = await run('start router.context --plan cautious --reason short_prompts');
    expect(code).toBe(EXIT.ok);
    expect(err).toContain('warning: No instance is live on api-us');
  });

  it('pause ends by itself where a time is given', async () => {
    server.on(`GET /v1/rollouts/${ROLLOUT_ID}`, () => ({ json: rollout() }));
    server.on(`POST /v1/rollouts/${ROLLOUT_ID}/pause`, () => ({ json: rollout() }));
    const { code } = await run(`pause ${ROLLOUT_ID} --for 2h --reason looking_at_it`);
    expect(code).toBe(EXIT.ok);
    expect(server.seen.at(-1)?.body).toMatchObject({ until: expect.stringMatching(/^\d{4}-.*Z$/) as string });
  });

  it.each([
    ['json', (out: string) => expect(RolloutView.parse(JSON.parse(out))).toEqual(rollout())],
    ['yaml', (out: string) => expect(out).toContain('startedAt: 2025-08-29T12:00:00.000Z')],
    ['name', (out: string) => expect(out).toBe(`rollout/${ROLLOUT_ID}\n`)],
  ])('-o %s prints the resource as the API gives it, with times in UTC', async (format, check) => {
    server.on(`GET /v1/rollouts/${ROLLOUT_ID}`, () => ({ json: rollout() }));
    const { code, out } = await run(`status ${ROLLOUT_ID} -o ${format}`);
    expect(code).toBe(EXIT.ok);
    check(out);
  });

  it('a rollout is found by the beginning of its id and by its config', async () => {
    listing(rollout(), rollout({ id: OTHER_ID, config: 'sampling.top-k' }));
    expect((await run('status 01990a3c-9 -o name')).out).toBe(`rollout/${OTHER_ID}\n`);
    expect((await run('status router.context -o name')).out).toBe(`rollout/${ROLLOUT_ID}\n`);
    const unclear = await run('status 01990a3c');
    expect(unclear.code).toBe(EXIT.usage);
    expect(unclear.err).toContain('fits 2 rollouts');
    expect((await run('status nothing-such')).err).toContain('no rollout has an id or a config that fits');
    const unset = await run('abort rollout/ --reason unset');
    expect([unset.code, unset.err]).toEqual([EXIT.usage, expect.stringContaining('no rollout is named')]);
  });

  it('a config means its running rollout; one that has ended can be looked at but not acted on', async () => {
    listing(rolledBack({ id: OTHER_ID }));
    expect((await run('status router.context -o name')).out).toBe(`rollout/${OTHER_ID}\n`);
    const { code, err } = await run('abort router.context --reason late');
    expect(code).toBe(EXIT.conflict);
    expect(err).toContain('no rollout of router.context is running');
  });

  it('abort asks for nothing but the reason, and can be tied to the state that was looked at', async () => {
    listing(rollout());
    server.on(`POST /v1/rollouts/${ROLLOUT_ID}/abort`, () => ({ json: rollout({ status: 'rolling-back' }) }));
    const { code, terminal } = await run('abort router.context --reason bad_answers --if-version 9', { tty: true });
    expect(code).toBe(EXIT.ok);
    expect(terminal.questions).toEqual([]);
    expect(server.seen.at(-1)).toMatchObject({ body: { reason: 'bad answers' }, headers: { 'if-match': '"9"' } });
  });

  it('promote asks first in a terminal; "no" sends nothing, --yes answers', async () => {
    listing(rollout());
    server.on(`POST /v1/rollouts/${ROLLOUT_ID}/promote`, () => ({ json: rollout() }));
    const no = await run('promote router.context --reason urgent', { tty: true, answers: ['n'] });
    expect(no.err).toContain('not confirmed');
    expect(server.seen.every(({ method }) => method === 'GET')).toBe(true);
    const yes = await run('promote router.context --reason urgent --track api --yes', { tty: true });
    expect(yes.code).toBe(EXIT.ok);
    expect(server.seen.at(-1)?.body).toEqual({ reason: 'urgent', stages: ['api/5%'], track: 'api' });
  });

  it('abort of what is being taken back already says for what, and that nothing changed', async () => {
    listing(rollout());
    const taken = rollout({ status: 'rolling-back', cause: 'errors of script' });
    server.on(`POST /v1/rollouts/${ROLLOUT_ID}/abort`, () => ({ json: taken }));
    const second = await run('abort router.context --reason me_too');
    expect(second.err).toContain('already (errors of script), so nothing changed and your reason is not recorded');
  });

  it('undo sends what is to be taken back and why, and shows the rollout that does it with what it reverts', async () => {
    const reverting = rollout({ revision: 1, reverts: 2, bypass: 'wrong answers', plan: 'emergency' });
    server.on('POST /v1/configs/router.context/undo', () => ({ status: 201, json: reverting }));
    const { code, out, err } = await run('undo router.context --reason wrong_answers');
    expect(code).toBe(EXIT.ok);
    expect(server.seen.at(-1)?.body).toEqual({ reason: 'wrong answers' });
    expect(out).toContain('reverts  r2');
    expect(out).toContain('bypass   without stages: wrong answers');
    expect(err).toContain(`headgate watch ${ROLLOUT_ID}`);
    await run('undo router.context --revision 2 --to 1 --reason wrong_answers');
    expect(server.seen.at(-1)?.body).toEqual({ reason: 'wrong answers', revision: 2, to: 1 });
  });

  it('undo says how to answer when it is not plain what is meant, and starts nothing', async () => {
    const json = problem({ status: 409, code: 'later-revisions-settled', detail: 'After r2 settled r3, r4' });
    server.on('POST /v1/configs/router.context/undo', () => ({ status: 409, json }));
    const { code, out, err } = await run('undo router.context --revision 2 --reason wrong_answers');
    expect([code, out]).toEqual([EXIT.conflict, '']);
    expect(err).toContain('After r2 settled r3, r4');
    expect(err).toContain('--to NUMBER');
  });

  it('status by config means the newest rollout where an older one only drains, and the one that runs where one does', async () => {
    const [older, newer] = ['2026-03-01T10:00:00.000Z', '2026-03-01T11:00:00.000Z'];
    const draining = rollout({ status: 'rolling-back', startedAt: older });
    listing(rollout({ id: OTHER_ID, status: 'settled', startedAt: newer }), draining);
    expect((await run('status router.context -o name')).out).toContain(OTHER_ID);
    listing(rollout({ id: OTHER_ID, status: 'settled', startedAt: newer }), rollout({ startedAt: older }));
    expect((await run('status router.context -o name')).out).toContain(ROLLOUT_ID);
  });

  it('abandon by config means the rollback that is open, and asks first in a terminal', async () => {
    listing(rollout({ id: OTHER_ID }), rollout({ status: 'rolling-back' }));
    server.on(`POST /v1/rollouts/${ROLLOUT_ID}/abandon`, () => ({ json: rolledBack() }));
    const args = 'abandon router.context --target api-tpu --reason region_closed';
    const no = await run(args, { tty: true, answers: ['n'] });
    expect(no.err).toContain('not confirmed');
    expect(no.terminal.questions[0]).toContain('may go on serving the withdrawn revision');
    expect(server.seen.every(({ method }) => method === 'GET')).toBe(true);
    const { code, err } = await run(args);
    expect(code).toBe(EXIT.ok);
    expect(server.seen.at(-1)?.body).toEqual({ target: 'api-tpu', reason: 'region closed' });
    expect(err).toContain('recorded as abandoned by you');
  });

  it.each([
    ['undo router.context', 'needs a reason'],
    [`abandon ${ROLLOUT_ID} --reason because`, '--target'],
    ['undo router.context --to first --reason because', 'Write a whole number'],
  ])('`%s` sends nothing', async (args, why) => {
    const { code, err } = await run(args);
    expect([code, server.seen.length]).toEqual([EXIT.usage, 0]);
    expect(err).toContain(why);
  });

  it('what a refusal says of its only field is said once; of several fields each is shown', async () => {
    const detail = 'r2 was rolled back and is vetoed.';
    const answer = (errors: { pointer: string; detail: string }[]) =>
      server.on('POST /v1/rollouts', () => ({
        status: 409,
        json: problem({ code: 'revision-vetoed', detail, errors }),
      }));
    answer([{ pointer: '/revision', detail }]);
    const once = await run('start router.context --plan cautious --reason because');
    expect(once.err.split('vetoed.')).toHaveLength(2);
    expect(once.err).toContain('--veto-reason');
    answer([
      { pointer: '/revision', detail },
      { pointer: '/plan', detail: 'is gone' },
    ]);
    expect((await run('start router.context --plan cautious --reason because')).err).toContain('/plan: is gone');
  });

  it('a rollout in the way is watched or aborted; a service token is told who may read', async () => {
    server.on('POST /v1/rollouts', () => ({ status: 409, json: problem({ code: 'rollout-already-running' }) }));
    const running = await run('start router.context --plan cautious --reason because');
    expect(running.err).toMatch(/headgate watch .*headgate abort/);
    server.on('GET /v1/rollouts', () => ({ status: 403, json: problem({ status: 403, code: 'forbidden' }) }));
    expect((await run('status')).err).toContain('a role that may read this');
  });

  it.each([
    [401, EXIT.auth, 'expired'],
    [403, EXIT.auth, 'role'],
    [404, EXIT.usage, ''],
    [409, EXIT.conflict, 'headgate status'],
    [412, EXIT.conflict, 'look again'],
    [422, EXIT.usage, ''],
    [500, EXIT.unexpected, 'log of the controller'],
  ])('a refusal with %d ends with exit code %d and says what to do next', async (status, exitCode, next) => {
    server.on(`GET /v1/rollouts/${ROLLOUT_ID}`, () => ({ status, json: problem({ status }) }));
    const { code, out, err } = await run(`status ${ROLLOUT_ID}`);
    expect(code).toBe(exitCode);
    expect(out).toBe('');
    expect(err).toContain(`(target-claimed, ${status})`);
    expect(err).toContain(next);
  });

  it('a controller that is not there is said with what was tried and what to do', { timeout: 30_000 }, async () => {
    await server.close();
    const { code, err } = await run('status');
    expect(code).toBe(EXIT.unexpected);
    expect(err).toContain(`nothing listens at ${server.url} now`);
    expect(err).toContain(`no controller answers at ${server.url}`);
    expect(err).toMatch(/tried GET \/v1\/rollouts 9 times: .*ECONNREFUSED/);
    expect(err).toContain('the address is from HEADGATE_URL');
    expect(err).toContain('next: check HEADGATE_URL');
  });

  it('a change whose answer was lost may have been carried out: it says to look before it is repeated', async () => {
    listing(rollout());
    server.on(`POST /v1/rollouts/${ROLLOUT_ID}/promote`, () => ({ write: (response) => response.destroy() }));
    const { code, err } = await run('promote router.context --reason urgent');
    expect(code).toBe(EXIT.unexpected);
    expect(err).toContain('it may have been carried out, and only the answer was lost: look before you repeat it');
    expect(err).toContain(`headgate status ${ROLLOUT_ID}`);
  });

  const newestFirst = (positions: readonly number[]) =>
    server.on('GET /v1/events', ({ query }) => {
      const before = Number(query['cursor'] ?? 1_000);
      const items = positions
        .filter((position) => position < before)
        .toSorted((a, b) => b - a)
        .slice(0, 2)
        .map((position) => event(position));
      return { json: { items, nextCursor: items.length < 2 ? null : String(items.at(-1)?.position) } };
    });

  it('history shows the newest events that fit, oldest first, and says when there are more', async () => {
    newestFirst([1, 2, 3, 4, 5]);
    const { out, err } = await run('history --config router.context --type StageEntered --limit 3 -o json');
    expect(EventList.parse(JSON.parse(out)).items.map(({ position }) => position)).toEqual([3, 4, 5]);
    expect(err).toContain('older events fit too');
    expect(server.seen[0]?.query).toMatchObject({ config: 'router.context', type: 'StageEntered', order: 'newest' });
    const all = await run('history --limit 5 -o name');
    expect([all.out.trim().split('\n').length, all.err]).toEqual([5, '']);
  });

  it('history sends every filter on, and reads times as a person writes them', async () => {
    server.on('GET /v1/events', () => ({ json: { items: [], nextCursor: null } }));
    const words = '--platform api --actor alice --search wrong_pool --until 2025-08-29T12:00Z';
    await run(`history --since 10m ${words}`);
    expect(server.seen.at(-1)?.query).toMatchObject({
      platform: 'api',
      actor: 'alice',
      q: 'wrong pool',
      since: '2025-08-29T12:05:00.000Z',
      until: '2025-08-29T12:00:00.000Z',
    });
    await run('history --since #7');
    expect(server.seen.at(-1)?.query).toMatchObject({ after: '7' });
    expect((await run('history --until #7')).code).toBe(EXIT.usage);
  });

  it('history -o ndjson gives all that fit, one a line and oldest first, page by page', async () => {
    server.on('GET /v1/events', ({ query }) => {
      const after = Number(query['after']);
      // A page may be empty although more comes: the filter found nothing in it.
      if (after === 0) return { json: { items: [], nextCursor: '3' } };
      return { json: { items: [event(after + 1)], nextCursor: after >= 5 ? null : String(after + 1) } };
    });
    const { out } = await run('history -o ndjson');
    expect(
      out
        .trim()
        .split('\n')
        .map((line) => EventView.parse(JSON.parse(line)).position),
    ).toEqual([4, 5, 6]);
  });

  it('history --tree shows what set off what', async () => {
    const cause = event(1, { correlationId: 'a', type: 'RolloutStarted', summary: 'rollout started' });
    const effects = [
      event(2, { correlationId: 'a', summary: 'api enters 1%', causationId: null }),
      event(3, { correlationId: 'b', summary: 'delivered', causationId: cause.eventId }),
      event(4, { correlationId: 'c', summary: 'converged', causationId: event(3).eventId }),
    ];
    server.on('GET /v1/events', () => ({ json: { items: [...effects.toReversed(), cause], nextCursor: null } }));
    const { out } = await run('history --tree');
    expect(out.split('\n').map((line) => line.replace(/#(\d).*: /, '$1 '))).toEqual([
      '1 rollout started',
      '├ 2 api enters 1%',
      '└ 3 delivered',
      '  ↓ 4 converged',
      '',
    ]);
  });

  it('at and diff ask for the moments that were named', async () => {
    server.on('GET /v1/at', ({ query }) => ({ json: query['position'] === '7' ? at(1) : at(2) }));
    expect((await run('at 2025-08-29T12:00Z --platform api')).out).toContain('api-tpu');
    expect(server.seen.at(-1)?.query).toEqual({ time: '2025-08-29T12:00:00.000Z', platform: 'api' });
    expect((await run('diff #7 now')).out).toContain('~ /window: 200000 → 1000000');
    expect((await run('diff --targets api-gpu api-tpu')).out).toContain('api-gpu → api-tpu');
    const missing = await run('diff --targets api-gpu moon');
    expect([missing.code, missing.err]).toEqual([EXIT.usage, expect.stringContaining('no target moon') as string]);
    expect((await run('diff 1h now --targets a b')).code).toBe(EXIT.usage);
    await run('at 2025-08-29T12:00Z --as-known-at --instances');
    expect(server.seen.at(-1)?.query).toMatchObject({ asKnownAt: '2025-08-29T12:00:00.000Z', instances: 'true' });
    await run('at 2025-08-29T12:00Z --as-known-at 10m');
    expect(server.seen.at(-1)?.query).toMatchObject({ asKnownAt: '2025-08-29T12:05:00.000Z' });
  });

  it('open lists what was open on the slice, newest first, with its state and exposure of then', async () => {
    const item = {
      rollout: ROLLOUT_ID,
      config: 'router.context',
      revision: 2,
      plan: 'cautious',
      status: 'staging',
      held: { by: 'person', reason: 'lunch' },
      startedAt: '2025-08-29T11:00:00.000Z',
      endedAt: null,
      actor: 'alice',
      reason: 'longer contexts',
      bypass: null,
      reverts: null,
      exposures: [{ target: 'api-tpu', platform: 'api', shareBp: 500, since: '2025-08-29T11:30:00.000Z' }],
    };
    const [at, since] = ['2025-08-29T12:00:00.000Z', '2025-08-26T12:00:00.000Z'];
    server.on('GET /v1/changes/open', () => ({ json: { at, since, items: [item], more: true } }));
    const { out, err } = await run('open --at 2025-08-29T12:00Z --platform api --look-back 24');
    expect(server.seen.at(-1)?.query).toEqual({ at, platform: 'api', lookBackHours: '24' });
    expect(out).toMatch(/router.context r2\s+staging, held by person\s+5% on api-tpu\s.*alice\s+longer contexts/);
    expect(err).toContain('there are more');
    expect((await run('open --at #7')).code).toBe(EXIT.usage);
  });

  it('exposed says how many units, with their error, and few ones as less than the least number', async () => {
    const units = (count: number | null, over = {}) => ({
      count,
      below: count === null ? 5 : null,
      error: 0,
      atLeast: false,
      ...over,
    });
    const place = { platform: 'api', requests: 20, units: units(null) };
    const exposed = {
      config: 'router.context',
      revision: 2,
      rollouts: [ROLLOUT_ID],
      total: { requests: 91_000, units: units(48_210, { error: 0.0313, atLeast: true }) },
      platforms: [place],
      targets: [{ ...place, target: 'api-tpu' }],
      models: [],
      cells: [
        { target: 'api-tpu', model: 'haiku', hour: '2025-08-29T11:00:00.000Z', requests: 20, units: units(null) },
      ],
      exact: false,
      notes: ['Fewer than 5 units are shown as <5.'],
    };
    server.on('GET /v1/exposed', () => ({ json: exposed }));
    server.on(`GET /v1/rollouts/${ROLLOUT_ID}/exposed`, () => ({ json: exposed }));
    server.on(`GET /v1/rollouts/${ROLLOUT_ID}`, () => ({ json: rollout() }));
    const { out } = await run('exposed --config router.context --revision 2');
    expect(out).toContain('91,000 requests of at least 48,210 ± 3.1% units');
    expect(out).toMatch(/target api-tpu\s+20\s+<5/);
    await run(`exposed ${ROLLOUT_ID} --exact --reason who_was_hurt`);
    expect(server.seen.at(-1)?.query).toEqual({ exact: 'true', reason: 'who was hurt' });
    expect((await run(`exposed ${ROLLOUT_ID} --exact`)).err).toContain('needs a reason');
    expect((await run('exposed --config router.context')).code).toBe(EXIT.usage);
  });

  it('diff compares platforms, and names the targets where those of one platform differ', async () => {
    const view = at(2);
    const [gpu, tpu] = view.targets;
    const vertex = { ...gpu, target: 'vertex-tpu', platform: 'vertex' };
    server.on('GET /v1/at', () => ({ json: { ...view, targets: [gpu, tpu, vertex] } }));
    const { out } = await run('diff --platforms api vertex');
    expect(out).toContain('api (api-tpu) → vertex  router.context  r2 → r1');
    expect(out).not.toContain('api (api-gpu)');
    const missing = await run('diff --platforms api moon');
    expect([missing.code, missing.err]).toEqual([EXIT.usage, expect.stringContaining('no platform moon') as string]);
  });

  it('diff says since when, by whom and why it differs', async () => {
    const made = {
      position: 90,
      at: '2025-08-29T11:00:00.000Z',
      recordedAt: '2025-08-29T11:00:00.000Z',
      precision: 'hour',
    };
    const since = { ...made, type: 'ExposureRequested', actor: 'alice', reason: 'longer contexts' };
    const changed = at(2);
    const targets = changed.targets.map((one) => ({
      ...one,
      configs: one.configs.map((each) => ({ ...each, since })),
    }));
    server.on('GET /v1/at', ({ query }) => ({ json: query['position'] === '7' ? at(1) : { ...changed, targets } }));
    const { out } = await run('diff #7 now');
    expect(out).toContain('since 2025-08-29 11:00:00 (to the hour) by alice: ExposureRequested #90 (longer contexts)');
  });

  it('the secret of a new token is alone on stdout, so that a script can catch it', async () => {
    const created = { id: 't1', subject: 'ci', role: 'operator', secret: 'hg_operator_s', expiresAt: null };
    server.on('POST /v1/tokens', () => ({ status: 201, json: created }));
    const { out, err } = await run('token create ci --role operator');
    expect(out).toBe('hg_operator_s\n');
    expect(err).toContain('not shown again');
    server.on('DELETE /v1/tokens/t1', () => ({ status: 204 }));
    expect((await run('token revoke token/t1')).out).toBe('token t1 is revoked\n');
  });

  it.each([
    ['frobnicate', 'unknown command'],
    ['statsu', 'Did you mean status?'],
    ['status --limit many', 'Write a whole number'],
    ['watch x --timeout soon', 'Write a duration'],
    ['plan router.context', '--plan'],
    ['token create ci --role king', 'Allowed choices'],
    ['at yesterday', 'is not a time'],
    ['help frobnicate', 'there is no command'],
  ])('`headgate %s` is a usage error that says why', async (args, why) => {
    const { code, out, err } = await run(args);
    expect(code).toBe(EXIT.usage);
    expect(out).toBe('');
    expect(err).toContain(why);
  });

  it('help and version are data, and help knows the exit codes', async () => {
    expect(await run('--version')).toMatchObject({
      code: EXIT.ok,
      out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) as string,
    });
    expect(await run('help exit-codes')).toMatchObject({
      code: EXIT.ok,
      out: expect.stringMatching(/130 {2}Ctrl-C/) as string,
    });
    expect((await run('help token create')).out).toContain('--expires-in-days');
    expect((await run('status --help')).out).toContain('--token-file');
  });

  it('schemas are written without a controller', async () => {
    const cwd = mkdtempSync(join(tmpdir(), 'headgate-cli-'));
    const { code, out } = await run('schemas out', { cwd });
    expect(code).toBe(EXIT.ok);
    expect(out.trim().split('\n')).toContain('out/manifest.json');
    expect(JSON.parse(readFileSync(join(cwd, 'out/plan.json'), 'utf8'))).toMatchObject({
      title: 'Headgate plan (headgate.dev/v1)',
    });
    writeFileSync(join(cwd, 'file'), '');
    expect((await run('schemas file', { cwd })).code).toBe(EXIT.usage);
    rmSync(cwd, { recursive: true });
  });

  it('the reference page names every command, every option and every exit code', () => {
    const page = readFileSync(new URL('../../../docs/reference/cli.md', import.meta.url), 'utf8');
    const program = buildProgram(new Invocation(scriptedTerminal()));
    const commands = program.commands.flatMap((command) => [command, ...command.commands]);
    const options = [program, ...commands].flatMap((command) => command.options.map((option) => option.long ?? ''));
    const names = commands.map(
      (command) => `headgate ${command.parent === program ? '' : `${command.parent?.name()} `}${command.name()}`,
    );
    expect([...names, ...options].filter((word) => !page.includes(word))).toEqual([]);
    expect(EXIT_MEANINGS.filter(([code]) => !new RegExp(`\\| ${code} +\\|`).test(page))).toEqual([]);
  });
});
