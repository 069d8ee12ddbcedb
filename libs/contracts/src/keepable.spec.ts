import { describe, expect, it } from 'vitest';
import { unkeepableJson } from './keepable.js';

const deep = (levels: number): unknown => {
  let value: unknown = 1;
  for (let level = 0; level < levels; level += 1) value = [value];
  return value;
};

describe('JSON that is to be kept', () => {
  it.each([
    [{ spec: { value: { model: 'a', list: [1.5, -0.1, 1e-7, null, true, ''] } } }],
    [{ n: Number.MAX_SAFE_INTEGER }],
    [deep(64)],
    [null],
  ])('is kept as it is: %j', (value) => {
    expect(unkeepableJson(value)).toBeUndefined();
  });

  it.each([
    ['a field that every object has', { a: { constructor: 5 } }, '/a', 'field named constructor'],
    ['a field that is the prototype', JSON.parse('{"a":[{"__proto__":{}}]}') as unknown, '/a/0', 'named __proto__'],
    ['a method of every object', { toString: 5 }, '', 'field named toString'],
    ['a whole number that loses digits', { seed: 2 ** 53 }, '/seed', 'write it as text'],
    ['a number that JSON has not', { 'a/b': Number.NaN }, '/a~1b', 'NaN'],
    ['one without end', [Number.POSITIVE_INFINITY], '/0', 'Infinity'],
    ['bytes', { a: new Uint8Array(2) }, '/a', 'no JSON value'],
    ['half a character', { a: '\ud800' }, '/a', 'half a character'],
    ['too many levels', deep(100_000), '/0'.repeat(64), '64 levels'],
  ])('is refused with its place: %s', (_, value, pointer, detail) => {
    const fault = unkeepableJson(value);
    expect(fault?.pointer).toBe(pointer);
    expect(fault?.detail).toContain(detail);
  });
});
