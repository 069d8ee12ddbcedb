import { describe, expect, it } from 'vitest';
import { Manifest } from './manifests.js';
import { parseDuration, parseShare, Reason, showShare } from './primitives.js';

const manifest = (kind: string, spec: Record<string, unknown>, name = 'router.context') => ({
  apiVersion: 'headgate.dev/v1',
  kind,
  metadata: { name },
  spec,
});

const plan = (over: Record<string, unknown> = {}, stage: Record<string, unknown> = {}) =>
  manifest('Plan', {
    signals: [{ signal: 'script-errors' }],
    tracks: [{ name: 'api', targets: { platform: 'api' }, stages: [{ exposure: '1%', bake: '30s', ...stage }] }],
    ...over,
  });

/** `/spec/title` and so on: the fields at fault. */
const faults = (value: unknown): readonly string[] =>
  (Manifest.safeParse(value).error?.issues ?? []).map(({ path }) => `/${path.join('/')}`);

describe('shares and durations', () => {
  it.each([
    ['1%', 100],
    ['0.5%', 50],
    ['0.01%', 1],
    ['100%', 10_000],
    ['0%', 0],
    [250, 250],
  ])('a share of %s is %d basis points', (text, bp) => {
    expect(parseShare(text)).toBe(bp);
  });

  it.each(['0.001%', '101%', '-1%', '1', '1 %', '', 10_001, -1, 0.5, Number.NaN])('%s is no share', (text) => {
    expect(parseShare(text)).toBeUndefined();
  });

  it('every share of whole basis points is read back as it is shown', () => {
    for (let bp = 0; bp <= 10_000; bp += 1) expect(parseShare(showShare(bp))).toBe(bp);
  });

  it.each([
    ['250ms', 250],
    ['30s', 30_000],
    ['5m', 300_000],
    ['1.5h', 5_400_000],
    ['2d', 172_800_000],
  ])('%s is %d ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each(['30', 's', '-5m', '1w', '5 m', '1e3s', ''])('"%s" is no duration', (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });
});

describe('manifests', () => {
  it('a config needs only its value: it is of kind quality and split by unit', () => {
    expect(Manifest.parse(manifest('Config', { value: { window: 200_000 } }))).toMatchObject({
      spec: { kind: 'quality', assignment: 'unit', links: [], value: { window: 200_000 } },
    });
  });

  it('a config whose value is no object, or holds what JSON cannot, is refused', () => {
    expect(faults(manifest('Config', { value: 7 }))).toEqual(['/spec/value']);
    expect(faults(manifest('Config', { value: { window: Number.NaN } }))).not.toEqual([]);
    expect(faults(manifest('Config', {}))).toEqual(['/spec/value']);
  });

  it('a config may say what clients serve without a ruleset: an object like its value', () => {
    const spec = { value: { window: 200_000 }, codeDefault: { window: 100_000 } };
    expect(Manifest.parse(manifest('Config', spec))).toMatchObject({ spec });
    expect(faults(manifest('Config', { ...spec, codeDefault: 7 }))).toEqual(['/spec/codeDefault']);
  });

  it('a plan that says little gets the careful defaults: one in a thousand, 1% holdback, a watch of a day', () => {
    expect(Manifest.parse(plan())).toMatchObject({
      spec: {
        alpha: 0.001,
        holdback: 100,
        watch: 86_400_000,
        drain: 300_000,
        grace: 60_000,
        signals: [{ harm: 1, weight: 1, shadow: false }],
        tracks: [{ stages: [{ exposure: 100, bake: 30_000, activation: 50, tolerate: {} }] }],
      },
    });
  });

  it.each([
    ['an alpha above a tenth', plan({ alpha: 0.2 }), '/spec/alpha'],
    ['no signals', plan({ signals: [] }), '/spec/signals'],
    ['no tracks', plan({ tracks: [] }), '/spec/tracks'],
    [
      'a harm below one, which would roll back what is better than control',
      plan({ signals: [{ signal: 'a', harm: 0.9 }] }),
      '/spec/signals/0/harm',
    ],
    ['a bake that is no duration', plan({}, { bake: 'soon' }), '/spec/tracks/0/stages/0/bake'],
    ['an exposure above everything', plan({}, { exposure: '200%' }), '/spec/tracks/0/stages/0/exposure'],
    ['a margin that tolerates nothing', plan({}, { tolerate: { a: 1 } }), '/spec/tracks/0/stages/0/tolerate/a'],
    ['a field that is misspelt', plan({ hold_back: '1%' }), '/spec'],
  ])('a plan with %s is refused at its field', (_, value, field) => {
    expect(faults(value)).toEqual([field]);
  });

  it('a stage may go on without proof when the plan says so in words', () => {
    expect(faults(plan({}, { tolerate: { 'script-errors': 'none' } }))).toEqual([]);
  });

  it('targets are chosen by name or by labels, but never all by an empty choice', () => {
    const track = (targets: unknown) =>
      plan({ tracks: [{ name: 'api', targets, stages: [{ exposure: '1%', bake: '30s' }] }] });
    expect(faults(track(['api-tpu']))).toEqual([]);
    expect(faults(track({ platform: 'api', hardware: 'tpu' }))).toEqual([]);
    expect(faults(track({}))).toEqual(['/spec/tracks/0/targets']);
    expect(faults(track([]))).toEqual(['/spec/tracks/0/targets']);
  });

  it('a target serves at least one model and is pulled from by default', () => {
    expect(Manifest.parse(manifest('Target', { platform: 'api', models: ['haiku'] }))).toMatchObject({
      spec: { driver: 'pull', labels: {} },
    });
    expect(faults(manifest('Target', { platform: 'api', models: [] }))).toEqual(['/spec/models']);
  });

  it.each(['Router', 'a b', '-a', 'a-', 'ä', '', 'a/b', 'x'.repeat(101)])('"%s" is no name', (name) => {
    expect(faults(manifest('Signal', { type: 'rate', title: 'errors' }, name))).toContain('/metadata/name');
  });

  it('another version and an unknown kind are refused', () => {
    expect(faults({ ...manifest('Signal', { type: 'rate', title: 'errors' }), apiVersion: 'headgate.dev/v2' })).toEqual(
      ['/apiVersion'],
    );
    expect(faults(manifest('Pod', {}))).toEqual(['/kind']);
  });

  it('a reason is trimmed and says at least something', () => {
    expect(Reason.parse('  because  ')).toBe('because');
    expect(Reason.safeParse('  a  ').success).toBe(false);
    expect(Reason.safeParse('x'.repeat(501)).success).toBe(false);
  });
});
