import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ask, clientOf, problemIn, type Answer } from '#test/kit/http';
import { startInProcess, type InProcess } from '#test/kit/in-process';
import { headOf } from '#test/kit/log';
import { config, manifest, plan, signal, stage, target, track, world } from '#test/kit/manifests';
import { until } from '#test/kit/until';
import { createTestDatabase, type TestDatabase } from '#test/test-database';

let database: TestDatabase;
let controller: InProcess;
let head: number;
let complaints: number;

beforeAll(async () => {
  database = await createTestDatabase();
  controller = await startInProcess(database.url);
  await clientOf(controller.operator).apply({ manifests: world() });
  await clientOf(controller.operator).apply({ manifests: [config('router.context', { window: 1 })] });
  await until('every target has its ruleset', async () => {
    const { json } = await ask(controller.viewer, 'GET', '/v1/targets');
    const { items } = json as { items: { target: string }[] };
    const served = await Promise.all(
      items.map((each) => ask(controller.service, 'GET', `/v1/targets/${each.target}/ruleset`)),
    );
    return served.every(({ status }) => status === 200);
  });
});

afterAll(async () => {
  await controller.stop();
  await database.drop();
});

beforeEach(async () => {
  head = await headOf(database.pool);
  complaints = controller.complaints.length;
});

/** Whatever was wrong: nothing was written, and nothing surprised the controller. */
afterEach(async () => {
  expect(await headOf(database.pool)).toBe(head);
  expect(controller.complaints.slice(complaints)).toEqual([]);
});

type Expected = { readonly status: number; readonly code: string; readonly pointer?: string };

const expectProblem = (answer: Answer, { status, code, pointer }: Expected): void => {
  const problem = problemIn(answer);
  expect({ status: problem.status, code: problem.code, detail: problem.detail }).toMatchObject({ status, code });
  expect(problem.detail.length).toBeGreaterThan(20);
  expect(problem.detail).not.toMatch(/\bat .*\.[jt]s\b|: undefined|\[object/);
  if (pointer !== undefined) expect((problem.errors ?? []).map((error) => error.pointer)).toContain(pointer);
};

const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  ask(controller.operator, 'POST', path, { body, headers });
const apply = (...manifests: unknown[]) => post('/v1/manifests', { manifests });

const badRequest = (pointer?: string): Expected => ({
  status: 400,
  code: 'invalid-request',
  ...(pointer === undefined ? {} : { pointer }),
});
const refused = (code: string, pointer: string, status = 422): Expected => ({ status, code, pointer });
const at = (pointer: string): string => `/manifests/0${pointer}`;
const oneTrack = (stages: readonly unknown[], over = {}) => plan('p', [track('api', ['api-tpu'], { stages })], over);
const two = (afterOfFirst: string | undefined, afterOfSecond: string | undefined) =>
  plan('p', [
    track('first', ['api-tpu'], afterOfFirst === undefined ? {} : { after: afterOfFirst }),
    track('second', ['vertex-tpu'], afterOfSecond === undefined ? {} : { after: afterOfSecond }),
  ]);

/** A small schema that takes 2^n steps. */
const doubling = (n: number) => ({
  $ref: '#/$defs/d0',
  $defs: Object.fromEntries(
    Array.from({ length: n }, (_, i) => {
      const $ref = `#/$defs/d${i + 1}`;
      return [`d${i}`, i + 1 < n ? { allOf: [{ $ref }, { $ref }] } : { type: 'object' }];
    }),
  ),
});

describe('A manifest', () => {
  const cases: readonly (readonly [string, unknown, Expected])[] = [
    ['that is no object', 'Config', badRequest('/manifests/0')],
    ['of a kind that nobody knows', manifest('Rocket', 'x', {}), badRequest(at('/kind'))],
    ['of such a kind and with a bad name', manifest('Rocket', 'Not A Name', {}), badRequest(at('/metadata/name'))],
    ['without a kind', { apiVersion: 'headgate.dev/v1', metadata: { name: 'x' } }, badRequest(at('/kind'))],
    ...['Policy', 'Freeze', 'Approval', 'Monitor'].map(
      (kind) => [`of kind ${kind}`, manifest(kind, 'x', {}), refused('not-supported-yet', at('/kind'))] as const,
    ),
    ['of another API version', { ...config('x', {}), apiVersion: 'v2' }, badRequest(at('/apiVersion'))],
    ['without a name', { ...config('x', {}), metadata: {} }, badRequest(at('/metadata/name'))],
    ['with a name like a path', config('../../etc/passwd', {}), badRequest(at('/metadata/name'))],
    ['with a name of 10 kB', config('x'.repeat(10_240), {}), badRequest(at('/metadata/name'))],
    ['with a name that every object has', config('constructor', {}), badRequest(at('/metadata/name'))],
    ['with a field that is misspelt', manifest('Config', 'x', { valeu: {} }), badRequest(at('/spec/value'))],
    ['whose value is no object', config('x', [1] as never), badRequest(at('/spec/value'))],
    ['whose link is no address', config('x', {}, { links: ['nowhere'] }), badRequest(at('/spec/links/0'))],
    [
      'whose schema is none',
      config('x', {}, { schema: { type: 'sausage' } }),
      refused('schema-invalid', at('/spec/schema')),
    ],
    [
      'whose schema points elsewhere',
      config('x', {}, { schema: { $ref: 'https://example.com/schema.json' } }),
      refused('schema-invalid', at('/spec/schema')),
    ],
    [
      'whose schema decides later',
      config('x', {}, { schema: { $async: true, type: 'object', required: ['pool'] } }),
      refused('schema-invalid', at('/spec/schema')),
    ],
    [
      'whose schema has a pattern that cannot be matched in bounded time',
      config('x', { a: 'x' }, { schema: { properties: { a: { pattern: '^(?!x)(a+)+$' } } } }),
      refused('schema-invalid', at('/spec/schema/properties/a/pattern')),
    ],
    [
      'whose schema refers to itself without end',
      config('x', {}, { schema: { allOf: [{ $ref: '#' }] } }),
      refused('schema-too-slow', at('/spec/schema')),
    ],
    [
      'whose value is larger than a value may be',
      config('x', { prompt: 'x'.repeat(1024 * 1024) }),
      refused('value-too-large', at('/spec/value')),
    ],
    [
      'whose schema multiplies',
      config('x', {}, { schema: doubling(40) }),
      refused('schema-too-slow', at('/spec/schema')),
    ],
    [
      'whose value does not fit its schema',
      config('x', { window: 'wide' }, { schema: { properties: { window: { type: 'number' } } } }),
      refused('value-does-not-fit-schema', at('/spec/value/window')),
    ],
    [
      'that changes how a config is assigned',
      config('router.context', { window: 1 }, { assignment: 'request' }),
      refused('config-exists', at('/spec/assignment'), 409),
    ],
    [
      'that changes the kind of a config',
      config('router.context', { window: 1 }, { kind: 'weights' }),
      refused('config-exists', at('/spec/kind'), 409),
    ],
    ['that moves a target', target('api-tpu', 'vertex', 'tpu'), refused('target-exists', at('/spec/platform'), 409)],
    ['of a target without models', target('t', 'api', 'tpu', []), badRequest(at('/spec/models'))],
    [
      'of a target with a driver that is not there',
      manifest('Target', 't', { platform: 'api', models: ['haiku'], driver: 'pigeon' }),
      badRequest(at('/spec/driver')),
    ],
    [
      'of a signal of another type',
      manifest('Signal', 's', { type: 'gauge', title: 'length' }),
      badRequest(at('/spec/type')),
    ],
    [
      'of a mean without its range',
      manifest('Signal', 's', { type: 'mean', title: 'score' }),
      badRequest(at('/spec/range')),
    ],
    [
      'of a rate with what only values have',
      manifest('Signal', 's', { type: 'rate', title: 'errors', worse: 'lower' }),
      badRequest(at('/spec/worse')),
    ],
    [
      'of a signal without a title',
      manifest('Signal', 's', { type: 'rate', title: '' }),
      badRequest(at('/spec/title')),
    ],
    [
      'with text that no database can keep',
      manifest('Signal', 's', { type: 'rate', title: 'a\u0000b' }),
      badRequest(at('/spec/title')),
    ],
    ['with half a character', config('x', { text: '\ud800' }), badRequest(at('/spec/value/text'))],
  ];
  it.each(cases)('%s is refused at its field', async (_, wrong, expected) => {
    expectProblem(await apply(wrong), expected);
  });

  it('that is wrong takes the good ones beside it with it', async () => {
    const answer = await apply(config('good', {}), signal('also-good', 'rate'), manifest('Rocket', 'x', {}));
    expectProblem(answer, badRequest('/manifests/2/kind'));
    expectProblem(
      await apply(config('good', {}), config('bad', { a: 1 }, { schema: { required: ['b'] } })),
      refused('value-does-not-fit-schema', '/manifests/1/spec/value'),
    );
    expect((await ask(controller.viewer, 'GET', '/v1/configs/good')).status).toBe(404);
  });

  it('with which the ruleset of a target would outgrow its store is refused at the larger value', async () => {
    const settings = { project: 'my-project', parameter: 'eu' };
    const place = { platform: 'vertex', models: ['haiku'], driver: 'gcp-parameter-manager' };
    const answer = await apply(
      manifest('Target', 'eu', { ...place, settings }),
      config('smaller', { prompt: 'x'.repeat(600_000) }),
      config('larger', { prompt: 'x'.repeat(601_000) }),
    );
    expectProblem(answer, refused('ruleset-too-large', '/manifests/2/spec/value'));
    expect(problemIn(answer).detail).toMatch(/larger \(601013 bytes\).*target eu.*gcp-parameter-manager.*1048576/s);
  });

  it('may be there only once', async () => {
    const answer = await apply(config('x', { a: 1 }), config('x', { a: 2 }));
    expect(problemIn(answer).errors).toMatchObject([{ pointer: '/manifests/1/metadata/name' }]);
  });

  it('that is only tried out writes nothing and says what it would do', async () => {
    const answer = await post('/v1/manifests', { dryRun: true, manifests: [config('router.context', { window: 9 })] });
    expect(answer.json).toMatchObject({ dryRun: true, results: [{ action: 'revised', revision: 3 }] });
  });

  it('with a key that would change every object is kept as it is or refused, never half', async () => {
    const body =
      '{"manifests":[{"apiVersion":"headgate.dev/v1","kind":"Config","metadata":{"name":"x"},"spec":{"value":{"__proto__":{"admin":true}}}}]}';
    const answer = await post('/v1/manifests', body);
    expectProblem(answer, badRequest());
    expect(problemIn(answer).detail).toContain('__proto__');
  });

  it('may be one of 500 and no more', async () => {
    const many = Array.from({ length: 501 }, (_, n) => config(`c${n}`, {}));
    expectProblem(await apply(...many), badRequest('/manifests'));
    expectProblem(await apply(), badRequest('/manifests'));
  });
});

describe('A plan', () => {
  const good = [stage('10%'), stage('100%')];
  const cases: readonly (readonly [string, unknown, Expected])[] = [
    [
      'with an exposure above everything',
      oneTrack([stage('101%')]),
      badRequest(at('/spec/tracks/0/stages/0/exposure')),
    ],
    ['with an exposure below nothing', oneTrack([stage('-1%')]), badRequest(at('/spec/tracks/0/stages/0/exposure'))],
    [
      'with an exposure finer than a basis point',
      oneTrack([stage('0.001%')]),
      badRequest(at('/spec/tracks/0/stages/0/exposure')),
    ],
    [
      'that exposes nothing',
      oneTrack([stage('0%'), stage('100%')]),
      refused('exposure-out-of-range', at('/spec/tracks/0/stages/0/exposure')),
    ],
    [
      'that shrinks',
      oneTrack([stage('50%'), stage('10%'), stage('100%')]),
      refused('exposure-shrinks', at('/spec/tracks/0/stages/1/exposure')),
    ],
    [
      'that stands still',
      oneTrack([stage('50%'), stage('50%'), stage('100%')]),
      refused('exposure-shrinks', at('/spec/tracks/0/stages/1/exposure')),
    ],
    ['that stops short', oneTrack([stage('50%')]), refused('plan-stops-short', at('/spec/tracks/0/stages/0/exposure'))],
    [
      'whose tracks wait for each other',
      two('second/10%', 'first/10%'),
      refused('track-cycle', at('/spec/tracks/0/after')),
    ],
    ['whose track waits for itself', two('first/10%', undefined), refused('track-cycle', at('/spec/tracks/0/after'))],
    [
      'that waits for a track it does not have',
      two(undefined, 'third/10%'),
      refused('track-not-found', at('/spec/tracks/1/after')),
    ],
    [
      'that waits for a stage it does not have',
      two(undefined, 'first/33%'),
      refused('stage-not-found', at('/spec/tracks/1/after')),
    ],
    [
      'that tolerates a signal it does not have',
      oneTrack([stage('10%', { tolerate: { other: 2 } }), stage('100%')]),
      refused('signal-not-in-plan', at('/spec/tracks/0/stages/0/tolerate/other')),
    ],
    [
      'with two tracks of one name',
      plan('p', [track('a', ['api-tpu']), track('a', ['vertex-tpu'])]),
      refused('duplicate-track', at('/spec/tracks')),
    ],
    [
      'with a signal twice',
      oneTrack(good, { signals: [{ signal: 'a' }, { signal: 'a' }] }),
      refused('duplicate-signal', at('/spec/signals')),
    ],
    [
      'whose signals are all shadows',
      oneTrack(good, { signals: [{ signal: 'a', shadow: true }] }),
      refused('nothing-guards', at('/spec/signals')),
    ],
    [
      'without a holdback and without a reason',
      oneTrack(good, { holdback: '0%' }),
      refused('holdback-reason-missing', at('/spec/holdbackReason')),
    ],
    [
      'that holds back nearly everything',
      oneTrack(good, { holdback: '60%' }),
      refused('holdback-out-of-range', at('/spec/holdback')),
    ],
    [
      'with a bake that is no duration',
      oneTrack([stage('10%', { bake: 'soon' })]),
      badRequest(at('/spec/tracks/0/stages/0/bake')),
    ],
    ['without stages', oneTrack([]), badRequest(at('/spec/tracks/0/stages'))],
    ['that selects no targets', plan('p', [track('a', {})]), badRequest(at('/spec/tracks/0/targets'))],
    ['that is wrong so often that anything goes back', oneTrack(good, { alpha: 0.5 }), badRequest(at('/spec/alpha'))],
  ];
  it.each(cases)('%s is refused at its field', async (_, wrong, expected) => {
    expectProblem(await apply(wrong), expected);
  });
});

describe('A start', () => {
  const body = { config: 'router.context', plan: 'only-api', reason: 'a wider window' };
  const cases: readonly (readonly [string, object, Expected])[] = [
    ['of nothing', {}, badRequest('/config')],
    ['without a reason', { config: 'router.context', plan: 'only-api' }, badRequest('/reason')],
    ['with a reason of blanks', { ...body, reason: '      ' }, badRequest('/reason')],
    ['with a reason of 10 kB', { ...body, reason: 'x'.repeat(10_240) }, badRequest('/reason')],
    ['with a reason that no database can keep', { ...body, reason: 'abc\u0000def' }, badRequest('/reason')],
    ['with a field that nobody knows', { ...body, force: true }, badRequest()],
    ['of a config that is not there', { ...body, config: 'nothing' }, refused('config-not-found', '/config', 404)],
    ['of a config that every object has', { ...body, config: 'constructor' }, badRequest('/config')],
    ['of a signal', { ...body, config: 'signal/script-errors' }, badRequest('/config')],
    ['with a plan that is not there', { ...body, plan: 'nothing' }, refused('plan-not-found', '/plan', 404)],
    ['with a signal as its plan', { ...body, plan: 'script-errors' }, refused('plan-not-found', '/plan', 404)],
    ['of a revision that is not there', { ...body, revision: 99 }, refused('revision-not-found', '/revision', 404)],
    ['of revision 0', { ...body, revision: 0 }, badRequest('/revision')],
    ['of revision 1.5', { ...body, revision: 1.5 }, badRequest('/revision')],
    ['of revision "2"', { ...body, revision: '2' }, badRequest('/revision')],
    ['that nobody would see', body, refused('stage-never-measures', '/plan')],
  ];
  it.each(cases)('%s is refused at its field', async (_, wrong, expected) => {
    expectProblem(await post('/v1/rollouts', wrong), expected);
  });
  it.each(cases.filter(([title]) => !/reason|nobody/.test(title)))(
    '%s cannot be previewed either',
    async (_, wrong, expected) => {
      const { reason: _reason, ...question } = wrong as { reason?: string };
      expectProblem(await post('/v1/plan-previews', question), expected);
    },
  );
});

describe('A name in the address', () => {
  const strange: readonly (readonly [string, string])[] = [
    ['of nothing', 'nothing'],
    ['that climbs', '..%2F..%2Fetc%2Fpasswd'],
    ['in other scripts', encodeURIComponent('вентиль-🌊-閘')],
    ['of 200 letters', 'x'.repeat(200)],
    ['of 10 kB', 'x'.repeat(10_240)],
    ['with a NUL', 'a%00b'],
    ['of blanks', '%20'],
    ['that asks the database', encodeURIComponent(`'; drop table event_store.events; --`)],
    ['that every object has', '__proto__'],
    ['that every object inherits', 'constructor'],
  ];
  const reads: readonly (readonly [string, string, 'viewer' | 'service' | 'operator' | 'admin', unknown?])[] = [
    ['GET', '/v1/configs/{}', 'viewer'],
    ['GET', '/v1/targets/{}', 'viewer'],
    ['GET', '/v1/rollouts/{}', 'viewer'],
    ['POST', '/v1/rollouts/{}/pause', 'operator', { reason: 'because' }],
    ['POST', '/v1/rollouts/{}/resume', 'operator', { reason: 'because' }],
    ['POST', '/v1/rollouts/{}/promote', 'operator', { reason: 'because' }],
    ['POST', '/v1/rollouts/{}/abort', 'operator', { reason: 'because' }],
    ['POST', '/v1/rollouts/{}/abandon', 'operator', { reason: 'because', target: 'api-tpu' }],
    ['POST', '/v1/configs/{}/undo', 'operator', { reason: 'because' }],
    ['GET', '/v1/targets/{}/ruleset', 'service'],
    ['PUT', '/v1/targets/{}/instances/i-1', 'service', { generation: 1 }],
    ['DELETE', '/v1/tokens/{}', 'admin'],
  ];
  it.each(strange)('%s is not found anywhere', async (_, name) => {
    for (const [method, path, role, body] of reads) {
      const answer = await ask(controller[role], method, path.replace('{}', name), { body });
      const { status, code } = problemIn(answer);
      expect([400, 404], `${method} ${path}: ${answer.text}`).toContain(status);
      expect(code).toMatch(/not-found$|^invalid-request$/);
    }
  });

  it('of another kind of thing is not found', async () => {
    for (const path of [
      '/v1/targets/router.context',
      '/v1/rollouts/api-tpu',
      '/v1/configs/api-tpu',
      '/v1/configs/only-api',
    ]) {
      expect(problemIn(await ask(controller.viewer, 'GET', path)).status).toBe(404);
    }
    expect((await ask(controller.viewer, 'GET', '/v1/configs/plan%2Fonly-api')).status).toBe(200);
  });

  it('as long as a name may be is found', async () => {
    const longest = 'x'.repeat(100);
    const { results } = await clientOf(controller.operator).apply({ manifests: [signal(longest, 'rate', 'long')] });
    head = await headOf(database.pool);
    expect(results[0]?.action).toBe('created');
    expect((await ask(controller.viewer, 'GET', `/v1/configs/signal%2F${longest}`)).status).toBe(200);
  });

  it.each([
    ['of 129 letters', 'i'.repeat(129)],
    ['with a NUL', 'a%00b'],
  ])('of an instance %s is refused', async (_, instance) => {
    const answer = await ask(controller.service, 'PUT', `/v1/targets/api-tpu/instances/${instance}`, {
      body: { generation: 1 },
    });
    expectProblem(answer, badRequest('/instance'));
  });

  it('of an instance may have 128 letters in any script', async () => {
    for (const instance of ['i'.repeat(128), encodeURIComponent('тпу-🌊')]) {
      const path = `/v1/targets/api-tpu/instances/${instance}`;
      expect((await ask(controller.service, 'PUT', path, { body: { generation: 1 } })).status).toBe(204);
    }
  });

  it('that cannot be decoded is a problem, too', async () => {
    expect(problemIn(await ask(controller.viewer, 'GET', '/v1/rollouts/%ZZ')).status).toBe(400);
  });
});

describe('A question', () => {
  const cases: readonly (readonly [string, Expected, Record<string, string>?])[] = [
    ['/v1/rollouts?limit=0', badRequest('/limit')],
    ['/v1/rollouts?limit=201', badRequest('/limit')],
    ['/v1/rollouts?limit=many', badRequest('/limit')],
    ['/v1/rollouts?limit=1&limit=2', badRequest('/limit')],
    ['/v1/rollouts?status=flying', badRequest('/status')],
    ['/v1/rollouts?cursor=nothing', badRequest('/cursor')],
    // A filter that is spelt wrong would filter nothing.
    ['/v1/at?at=%231', badRequest('/at')],
    ['/v1/rollouts?foo=bar', badRequest('/foo')],
    ['/v1/events?kind=RolloutStarted', badRequest('/kind')],
    ['/v1/log/inclusion?position=1&of=2', badRequest('/of')],
    ['/v1/events?limit=0', badRequest('/limit')],
    ['/v1/events?limit=1001', badRequest('/limit')],
    ['/v1/events?limit=', badRequest('/limit')],
    ['/v1/events?after=-1', badRequest('/after')],
    ['/v1/events?after=1.5', badRequest('/after')],
    ['/v1/events?after=', badRequest('/after')],
    ['/v1/events?after=0x10', badRequest('/after')],
    ['/v1/events?after=1e400', badRequest('/after')],
    ['/v1/events?cursor=abc', badRequest('/cursor')],
    [`/v1/events?type=${'x'.repeat(300)}`, badRequest('/type')],
    ['/v1/events/stream?after=abc', badRequest('/after')],
    ['/v1/events/stream', badRequest('/headers/last-event-id'), { 'last-event-id': 'abc' }],
    ['/v1/events/stream', badRequest('/headers/last-event-id'), { 'last-event-id': '-1' }],
    ['/v1/events/stream', badRequest('/headers/last-event-id'), { 'last-event-id': '1.5' }],
    ['/v1/events/stream', badRequest('/headers/last-event-id'), { 'last-event-id': '9999999' }],
    ['/v1/at?time=yesterday', badRequest('/time')],
    ['/v1/at?time=2999-01-01T00:00:00Z', badRequest('/time')],
    ['/v1/at?position=-1', badRequest('/position')],
    ['/v1/at?position=9999999', badRequest('/position')],
    ['/v1/at?position=1&time=2020-01-01T00:00:00Z', badRequest('/time')],
    ['/v1/at?target=nothing', refused('target-not-found', '/target', 404)],
    ['/v1/at?config=nothing', refused('config-not-found', '/config', 404)],
    ['/v1/at?platform=nix', badRequest('/platform')],
    ['/v1/changes/open?platform=nix', badRequest('/platform')],
    ['/v1/nothing', { status: 404, code: 'not-found' }],
  ];
  it.each(cases.map(([path, expected, headers]) => ({ path, expected, headers })))(
    '$path is refused at its field',
    async ({ path, expected, headers }) => {
      expectProblem(await ask(controller.viewer, 'GET', path, headers ? { headers } : {}), expected);
    },
  );

  it.each([
    ['PATCH', '/v1/rollouts', 'POST', 'GET, POST'],
    ['PUT', '/v1/rollouts', 'POST', 'GET, POST'],
    ['DELETE', '/v1/rollouts', 'POST', 'GET, POST'],
    ['OPTIONS', '/v1/rollouts?limit=1', 'POST', 'GET, POST'],
    ['GET', '/v1/rollouts/01890000-0000-7000-8000-000000000000/pause', 'POST', 'POST'],
    ['POST', '/v1/targets/api-tpu/instances/i-1', 'PUT', 'PUT, DELETE'],
    ['POST', '/openapi.json', 'GET', 'GET'],
    ['PUT', '/healthz', 'GET', 'GET'],
  ])('%s %s is no method that is there, and is told which are', async (method, path, one, allow) => {
    const body = method === 'GET' || method === 'OPTIONS' ? {} : { body: {} };
    const answer = await ask(controller.admin, method, path, body);
    expectProblem(answer, { status: 405, code: 'method-not-allowed' });
    expect(answer.headers.get('allow')).toBe(allow);
    expect(problemIn(answer).detail).toContain(one);
  });

  it.each(['/v1/rollout', '/v1/rollouts/a/b', '/'])('%s is nothing by any method', async (path) => {
    for (const method of ['POST', 'DELETE'])
      expectProblem(await ask(controller.admin, method, path, { body: {} }), { status: 404, code: 'not-found' });
  });
});

describe('Headers', () => {
  it.each([
    ['an If-Match that is no entity tag', { 'if-match': 'seven' }, '/headers/if-match'],
    ['an If-Match that is weak', { 'if-match': 'W/"7"' }, '/headers/if-match'],
    ['an idempotency key of 129 letters', { 'idempotency-key': 'x'.repeat(129) }, '/headers/idempotency-key'],
  ])('%s is refused', async (_, headers, pointer) => {
    const path = '/v1/rollouts/01890000-0000-7000-8000-000000000000/pause';
    expectProblem(
      await post(path, { reason: 'because' }, headers as unknown as Record<string, string>),
      badRequest(pointer),
    );
  });

  it('too many of them are refused with a problem', async () => {
    const answer = await ask(controller.viewer, 'GET', '/v1/rollouts', { headers: { 'x-much': 'x'.repeat(20_000) } });
    expect(answer.status).toBe(431);
    expectProblem(answer, { status: 431, code: 'headers-too-large' });
  });
});

const routesWithBody: readonly (readonly [string, string, 'operator' | 'service' | 'admin'])[] = [
  ['POST', '/v1/manifests', 'operator'],
  ['POST', '/v1/rollouts', 'operator'],
  ['POST', '/v1/plan-previews', 'operator'],
  ['POST', '/v1/rollouts/01890000-0000-7000-8000-000000000000/abort', 'operator'],
  ['POST', '/v1/outcomes', 'service'],
  ['POST', '/v1/comparisons', 'service'],
  ['PUT', '/v1/targets/api-tpu/instances/i', 'service'],
  ['POST', '/v1/tokens', 'admin'],
];

describe('Whom a token is for', () => {
  it.each(['', 'nimda\u202eadmin', 'ad\u200bmin', 'admin\nroot', 'x'.repeat(101)])('is not %j', async (subject) => {
    const answer = await ask(controller.admin, 'POST', '/v1/tokens', { body: { subject, role: 'viewer' } });
    expectProblem(answer, badRequest('/subject'));
  });
});

describe('A body', () => {
  it.each([
    ['that is no JSON', '{"manifests": [', badRequest()],
    ['that is empty', '', badRequest()],
    ['that is null', 'null', badRequest()],
    ['that is a list', '[]', badRequest()],
    ['that is a number', '7', badRequest()],
    ['that is nested 300,000 times', '['.repeat(300_000) + ']'.repeat(300_000), badRequest()],
    [
      'that is nested a hundred thousand times in a field',
      `{"manifests":[{"a":${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}}]}`,
      badRequest(),
    ],
    ['of more than 4 MiB', JSON.stringify({ a: 'x'.repeat(5_000_000) }), { status: 413, code: 'too-large' }],
  ])('%s is refused on every route', async (_, body, expected) => {
    for (const [method, path, role] of routesWithBody) {
      const answer = await ask(controller[role], method, path, { body });
      expectProblem(answer, expected);
    }
  });

  it('of another type is refused on every route', async () => {
    for (const [method, path, role] of routesWithBody) {
      for (const type of [
        'application/xml',
        'text/plain',
        'application/x-www-form-urlencoded',
        'multipart/form-data; boundary=x',
      ]) {
        const answer = await ask(controller[role], method, path, {
          body: 'reason=because',
          headers: { 'content-type': type },
        });
        expectProblem(answer, { status: 415, code: 'unsupported-media-type' });
      }
    }
  });

  it('that is only half sent leaves no trace', async () => {
    const { hostname, port } = new URL(controller.operator.url);
    const text = JSON.stringify({ manifests: [config('half', { a: 1 })] });
    const say = (length: number, body: string, end: 'close' | 'reset') =>
      new Promise<void>((resolve) => {
        const socket = connect(Number(port), hostname, () => {
          socket.write(
            `POST /v1/manifests HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${controller.operator.token}\r\n` +
              `content-type: application/json\r\ncontent-length: ${length}\r\n\r\n${body}`,
            () => (end === 'close' ? socket.end() : socket.resetAndDestroy()),
          );
        });
        socket.resume();
        socket.on('error', () => undefined);
        socket.on('close', () => resolve());
      });
    await say(text.length, text.slice(0, 40), 'close');
    await say(text.length, text.slice(0, 40), 'reset');
    await say(text.length + 10, text, 'close');
    await say(text.length + 10, text, 'reset');
    expect((await ask(controller.viewer, 'GET', '/v1/configs/half')).status).toBe(404);
    expect((await ask(controller.viewer, 'GET', '/readyz')).status).toBe(200);
  });
});

describe('Outcomes', () => {
  const window = (over: object = {}) => ({
    from: new Date(Date.now() - 1_000).toISOString(),
    ms: 1_000,
    model: 'haiku',
    generation: 1,
    requests: 10,
    arms: [],
    bad: [],
    ...over,
  });
  const batch = (over: object = {}) => ({
    batch: crypto.randomUUID(),
    target: 'api-tpu',
    instance: 'i-1',
    windows: [window()],
    ...over,
  });
  const send = (body: unknown) => ask(controller.service, 'POST', '/v1/outcomes', { body });

  it.each([
    ['without a batch id', { batch: undefined }, '/batch'],
    ['with a batch id that is none', { batch: 'one' }, '/batch'],
    ['without windows', { windows: [] }, '/windows'],
    ['with requests below nothing', { windows: [window({ requests: -1 })] }, '/windows/0/requests'],
    ['of no time', { windows: [window({ ms: 0 })] }, '/windows/0/ms'],
    [
      'with too many bad ones',
      { windows: [window({ bad: Array.from({ length: 5_001 }, () => ({ signal: 's', revisions: {} })) })] },
      '/windows/0/bad',
    ],
  ])('%s are refused as a whole', async (_, over, pointer) => {
    expectProblem(await send(batch(over)), badRequest(pointer));
  });

  it.each([
    ['of an unknown target', { target: 'nothing' }, { pointer: '/target', code: 'unknown-target' }],
    [
      'of an unknown model',
      { windows: [window({ model: 'opus' })] },
      { pointer: '/windows/0/model', code: 'unknown-model' },
    ],
    [
      'from the future',
      { windows: [window({ from: '2999-01-01T00:00:00Z' })] },
      { pointer: '/windows/0/from', code: 'window-in-future' },
    ],
    [
      'of a generation that never was',
      { windows: [window({ generation: 999_999, arms: [{ config: 'router.context', revision: 1, requests: 10 }] })] },
      { pointer: '/windows/0/generation', code: 'unknown-generation' },
    ],
    [
      'of a revision that is not there',
      { windows: [window({ arms: [{ config: 'router.context', revision: 99, requests: 10 }] })] },
      { pointer: '/windows/0/arms/0/revision', code: 'unknown-revision' },
    ],
    [
      'of a signal that is not there',
      { windows: [window({ bad: [{ signal: 'nothing', revisions: { 'router.context': 1 } }] })] },
      { pointer: '/windows/0/bad/0/signal', code: 'unknown-signal' },
    ],
    [
      'with text that no database can keep',
      {
        windows: [window({ bad: [{ signal: 'script-errors', unit: 'a\u0000', revisions: { 'router.context': 1 } }] })],
      },
      { pointer: '/windows/0/bad/0/unit', code: 'invalid-characters' },
    ],
  ])('%s are refused by themselves, with the field', async (_, over, rejected) => {
    const answer = await send(batch(over));
    expect(answer.status).toBe(202);
    expect(answer.json).toMatchObject({ rejected: [rejected] });
  });
});
