import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clientOf } from '#test/kit/http';
import { startInProcess, type InProcess } from '#test/kit/in-process';
import { config, plan, signal, target, track, manifest } from '#test/kit/manifests';
import { createTestDatabase, type TestDatabase } from '#test/test-database';

let database: TestDatabase;
let controller: InProcess;

const client = () => clientOf(controller.operator);

beforeAll(async () => {
  database = await createTestDatabase();
  controller = await startInProcess(database.url);
});

afterAll(async () => {
  await controller.stop();
  await database.drop();
});

it('An older folder that is applied again brings the older value back as the newest revision, and the answer says so', async () => {
  for (const top_k of [40, 50]) await client().apply({ manifests: [config('sampler', { top_k })] });
  const { results } = await client().apply({ manifests: [config('sampler', { top_k: 40 })] });
  expect(results).toMatchObject([{ action: 'revised', revision: 3, sameAs: 1 }]);
});

describe('A config of which only a part is applied', () => {
  const schema = { type: 'object', properties: { window: { type: 'integer' } } };

  it('keeps the schema and the description that it does not name, and still has to fit', async () => {
    await client().apply({ manifests: [config('limits', { window: 1 }, { schema, description: 'how long' })] });
    const [again] = (await client().apply({ manifests: [config('limits', { window: 1 })] })).results;
    expect(again).toMatchObject({ action: 'unchanged', changes: [] });
    expect(await client().config('limits')).toMatchObject({ schema, description: 'how long' });
    await expect(client().apply({ manifests: [config('limits', { window: 'many' })] })).rejects.toThrow(/schema/);
  });

  it('shows what becomes of a schema that it names', async () => {
    const [open] = (await client().apply({ manifests: [config('limits', { window: 1 }, { schema: {} })] })).results;
    expect(open?.action).toBe('updated');
    expect(open?.changes.map(({ path }) => path)).toContainEqual(expect.stringMatching(/^\/spec\/schema/));
  });

  it('records the reason of its manifest, unless the request gives one', async () => {
    const why = 'long contexts crowd the pool';
    await client().apply({ manifests: [config('limits', { window: 2 }, { reason: why })] });
    await client().apply({ manifests: [config('limits', { window: 3 }, { reason: why })], reason: 'by hand' });
    const { revisions } = await client().config('limits');
    expect(revisions.slice(-2).map(({ reason }) => reason)).toEqual([why, 'by hand']);
  });
});

describe('A plan that names what is not registered', () => {
  const early = plan('early', [track('api', ['api-tpu'])]);
  const warningsOf = (
    result: { readonly warnings?: readonly { readonly pointer: string }[] | undefined } | undefined,
  ) => (result?.warnings ?? []).map(({ pointer }) => pointer);

  it('is applied, with a warning for each that names the plan, its field and what to do', async () => {
    const [result] = (await client().apply({ manifests: [early] })).results;
    expect(result?.action).toBe('created');
    expect(warningsOf(result)).toEqual([
      '/spec/signals/0/signal',
      '/spec/signals/1/signal',
      '/spec/tracks/0/targets/0',
    ]);
    expect(result?.warnings?.[2]?.detail).toBe(
      'Plan early names target api-tpu, which is not registered: apply its manifest before you start a rollout by this plan',
    );
  });

  it('is warned of again as long as that is so, and no longer once all is there, or comes with it in a dry run', async () => {
    const rest = [signal('script-errors', 'rate'), signal('wrong-pool', 'invariant'), target('api-tpu', 'api', 'tpu')];
    const dry = await client().apply({ manifests: [early, ...rest], dryRun: true });
    expect(dry.results.flatMap(warningsOf)).toEqual([]);
    expect(warningsOf((await client().apply({ manifests: [early] })).results[0])).toHaveLength(3);
    const whole = await client().apply({ manifests: [early, ...rest] });
    expect(whole.results.flatMap(warningsOf)).toEqual([]);
  });
});

describe('A signal that a source counts', () => {
  const source = manifest('Source', 'aws', { type: 'cloudwatch', region: 'us-east-1' });
  const counted = (more: Record<string, unknown>) =>
    manifest('Signal', 'platform-errors', {
      type: 'rate',
      title: 'errors',
      source: { type: 'cloudwatch', from: 'aws', target: 'api-tpu', builtIn: 'errors', ...more },
    });
  const whole = counted({ models: { haiku: 'model-id' } });
  const byArm = counted({ arms: { limits: { r1: { haiku: 'old' }, r2: { haiku: 'new' } } } });
  const counting = plan('by-platform', [track('api', ['api-tpu'])], { signals: [{ signal: 'platform-errors' }] });
  const warned = async (manifests: readonly ReturnType<typeof manifest>[]) => {
    const { results } = await client().apply({ manifests: [...manifests], dryRun: true });
    return results.flatMap(({ name, warnings = [] }) => warnings.map(({ pointer, detail }) => [name, pointer, detail]));
  };

  it('is applied with a warning while its source is not registered, or is of another type', async () => {
    const [[name, pointer, detail] = []] = await warned([whole]);
    expect([name, pointer, detail]).toEqual([
      'platform-errors',
      '/spec/source/from',
      'Signal platform-errors is asked of source aws, which is not registered: apply its manifest, as nothing is counted until then',
    ]);
    expect(await warned([whole, source])).toEqual([]);
    const other = manifest('Source', 'aws', { type: 'cloud-monitoring', project: 'acme-1' });
    expect(await warned([whole, other])).toMatchObject([['platform-errors', '/spec/source/from', expect.anything()]]);
  });

  it('of a platform that knows no arms is warned of in every plan that relies on it, when it is applied and before it starts', async () => {
    const onlyHolds = ['by-platform', '/spec/signals', expect.stringContaining('only holds or warns')];
    expect(await warned([source, byArm, counting])).toEqual([onlyHolds]);
    expect(await warned([source, whole, counting])).toEqual([
      onlyHolds,
      ['by-platform', '/spec/signals/0/signal', expect.stringContaining('nothing is compared with control')],
    ]);
    await client().apply({ manifests: [source, whole, counting, config('platformed', { a: 1 })] });
    await client().apply({ manifests: [config('platformed', { a: 2 })] });
    const { warnings } = await client().preview({ config: 'platformed', plan: 'by-platform' });
    expect(warnings.join(' ')).toContain('nothing is compared with control');
  });
});
