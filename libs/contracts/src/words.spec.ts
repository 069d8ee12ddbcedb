import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { fieldFaults } from './words.js';
import { Duration, Share } from './primitives.js';

const said = (schema: z.ZodType, value: unknown): string[] =>
  (schema.safeParse(value).error?.issues ?? [])
    .flatMap(fieldFaults)
    .map(({ path, message }) => `${path.join('/')}: ${message}`);

describe('what is said of a field that is wrong', () => {
  it.each([
    ['that is missing', z.object({ a: z.string() }), {}, 'a: is missing'],
    ['of another kind', z.object({ a: z.string() }), { a: 3 }, 'a: must be text, not a whole number'],
    ['that is a list', z.object({ a: z.boolean() }), { a: [] }, 'a: must be true or false, not a list'],
    ['that is no number', z.object({ a: z.int() }), { a: 'ten' }, 'a: must be a number'],
    ['that is not whole', z.object({ a: z.int() }), { a: 1.5 }, 'a: must be a whole number'],
    ['from the environment', z.object({ a: z.coerce.number() }), { a: 'x' }, 'a: must be a number'],
    ['that is too large', z.object({ a: z.int().max(5) }), { a: 7 }, 'a: must be at most 5'],
    ['that is empty', z.object({ a: z.string().min(1) }), { a: '' }, 'a: must not be empty'],
    ['with too few entries', z.object({ a: z.array(z.string()).min(1) }), { a: [] }, 'a: must have at least 1 entry'],
    ['of a few words', z.object({ a: z.enum(['b', 'c']) }), { a: 'd' }, 'a: must be one of b, c'],
    ['that nobody knows', z.strictObject({}), { colour: 'red' }, 'colour: this field is not known'],
    ['that is a time', z.object({ a: z.iso.datetime() }), { a: 'x' }, 'a: write a time such as 2025-08-29T12:00:00Z'],
    ['that is a duration', z.object({ a: Duration }), { a: 30 }, 'a: write a duration such as 30s, 5m, 1.5h or 2d'],
    ['that ends', z.object({ a: Duration }), { a: '367d' }, 'a: write at most 366d'],
    ['that is a missing duration', z.object({ a: Duration }), {}, 'a: is missing'],
    [
      'that is a share',
      z.object({ a: Share }),
      { a: [] },
      'a: write a share from 0% to 100% in steps of 0.01%, such as 1% or 0.5%',
    ],
    ['that is a missing share', z.object({ a: Share }), {}, 'a: is missing'],
  ])('a field %s', (_, schema, value, text) => {
    expect(said(schema, value)).toEqual([text]);
  });
});
