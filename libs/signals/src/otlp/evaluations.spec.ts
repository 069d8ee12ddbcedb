import { OutcomeBatch } from '#libs/contracts';
import { describe, expect, it } from 'vitest';
import { NOON, ToldExposures } from '../spec-kit.js';
import { evaluationsIn } from './evaluations.js';
import type { LogRecord } from './model.js';
import { sentOf } from './spec-kit.js';

const lookup = new ToldExposures();
const SERVED = {
  'feature_flag.key': 'router',
  'feature_flag.set.id': 'api-tpu',
  'feature_flag.version': '10',
  'feature_flag.result.variant': 'r2',
  'feature_flag.result.reason': 'targeting_match',
  'feature_flag.context.id': 'somebody@example.org',
  'gen_ai.request.model': 'haiku',
};
let mark = 0;
const evaluated = (
  over: Readonly<Record<string, string>> = {},
  ms = 0,
  eventName = 'feature_flag.evaluation',
): LogRecord => ({
  eventName,
  attributes: sentOf({ ...SERVED, ...over }),
  time: (NOON - 10_000 + ms) * 1_000,
  mark: String((mark += 1)),
});
const read = (
  records: readonly LogRecord[],
  resource: Readonly<Record<string, string>> = { 'service.instance.id': 'one' },
) => evaluationsIn([{ resource: sentOf(resource), records }], NOON, lookup);
const windowsOf = (records: readonly LogRecord[]) => read(records).batches.flatMap(({ windows }) => windows);

describe('records of evaluations', () => {
  it('become windows by second, model and generation that measure no signal', () => {
    const windows = windowsOf([
      evaluated(),
      evaluated({ 'feature_flag.result.variant': 'r1' }, 500),
      evaluated({ 'feature_flag.result.variant': 'r1' }, 999),
      evaluated({}, 1_000),
      evaluated({ 'feature_flag.version': '11' }),
      evaluated({ 'gen_ai.request.model': 'sonnet' }),
    ]);
    expect(
      windows.map(({ from, model, generation, requests }) => [from.slice(17), model, generation, requests]),
    ).toEqual([
      ['50.000Z', 'haiku', 10, 3],
      ['51.000Z', 'haiku', 10, 1],
      ['50.000Z', 'haiku', 11, 1],
      ['50.000Z', 'sonnet', 10, 1],
    ]);
    expect(windows[0]).toMatchObject({
      ms: 1_000,
      signals: [],
      bad: [],
      arms: [
        { config: 'router', revision: 2, requests: 1, unassigned: 0 },
        { config: 'router', revision: 1, requests: 2, unassigned: 0 },
      ],
    });
  });

  it('of several configs are of the same requests', () => {
    const [window] = windowsOf([evaluated(), evaluated(), evaluated({ 'feature_flag.key': 'sampling' })]);
    expect(window?.requests).toBe(2);
  });

  it('rule 11: name units by a pseudonym that no id can be read from, and the same each time', () => {
    const [window] = windowsOf([evaluated(), evaluated({}, 1), evaluated({ 'feature_flag.context.id': 'another' })]);
    expect(window?.arms[0]?.units).toEqual([
      expect.stringMatching(/^[0-9a-f]{32}$/),
      expect.stringMatching(/^[0-9a-f]{32}$/),
    ]);
    expect(JSON.stringify(read([evaluated()]).batches)).not.toContain('somebody');
  });

  it('without a key, or for want of one on the default, are unassigned', () => {
    const [window] = windowsOf([
      evaluated({ 'feature_flag.context.id': '' }),
      evaluated({ 'feature_flag.result.reason': 'default' }),
      evaluated(),
    ]);
    expect(window?.arms).toMatchObject([{ requests: 3, unassigned: 2, units: [expect.any(String)] }]);
  });

  it('are batches that the contract takes, whose id is that of their content', () => {
    const records = [evaluated(), evaluated({}, 1_500)];
    const [batch] = read(records).batches;
    expect(OutcomeBatch.parse(batch)).toEqual(batch);
    expect(read(records).batches).toEqual([batch]);
    expect(read([...records, evaluated()]).batches[0]?.batch).not.toBe(batch?.batch);
    // Alike, but not the same.
    expect(read([evaluated()]).batches[0]?.batch).not.toBe(read([evaluated()]).batches[0]?.batch);
    expect(read(records, { 'service.instance.id': 'two' }).batches[0]?.batch).not.toBe(batch?.batch);
  });

  it('are divided over batches that are not too large', () => {
    const { batches } = read(
      Array.from({ length: 1_200 }, (_, n) => evaluated({ 'feature_flag.version': String(n % 100) }, n * 3)),
    );
    for (const batch of batches) expect(OutcomeBatch.safeParse(batch).success).toBe(true);
    const all = batches.flatMap(({ windows }) => windows.flatMap(({ arms }) => arms));
    expect(all.reduce((sum, { requests }) => sum + requests, 0)).toBe(1_200);
  });

  it('may name the event by an attribute, as older exporters do', () => {
    expect(windowsOf([evaluated({ 'event.name': 'feature_flag.evaluation' }, 0, '')])).toHaveLength(1);
  });
});

describe('records that are passed over', () => {
  it.each([
    ['of other events', evaluated({}, 0, 'exception')],
    ['of other flags', evaluated({ 'feature_flag.set.id': '' })],
    ["of the code's default", evaluated({ 'feature_flag.result.variant': '' })],
  ])('are those %s', (_, record) => {
    const { batches, refused } = read([record]);
    expect(batches).toEqual([]);
    expect(refused.refusals('log records').rejected).toBe(0);
  });
});

describe('records that are refused', () => {
  it.each([
    ['of a target that is not there', { 'feature_flag.set.id': 'mars' }, 'unknown-target'],
    ['of a variant that is no revision', { 'feature_flag.result.variant': 'on' }, 'not-a-variant'],
    ['of a config that has no such name', { 'feature_flag.key': 'My Flag' }, 'not-a-variant'],
    ['without the version of a ruleset', { 'feature_flag.version': 'v1' }, 'no-generation'],
    ['of a model that is not served', { 'gen_ai.request.model': 'opus' }, 'no-model'],
    ['of none of several models', { 'gen_ai.request.model': '' }, 'no-model'],
  ])('are those %s; the others are kept', (_, over, code) => {
    const { batches, refused } = read([evaluated(over), evaluated()]);
    expect(batches).toHaveLength(1);
    expect(refused.refusals('log records')).toMatchObject({
      rejected: 1,
      message: expect.stringContaining(`(${code})`) as string,
    });
  });

  it('are those of a time to come', () => {
    expect(read([evaluated({}, 71_000)]).refused.refusals('log records').message).toContain('(in-the-future)');
  });
});
