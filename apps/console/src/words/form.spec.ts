import { describe, expect, it } from 'vitest';
import { fieldsOf, numberOf, withField } from './form.js';

const schema = {
  type: 'object',
  required: ['topP'],
  properties: {
    topP: { type: 'number', exclusiveMinimum: 0, maximum: 1, description: 'nucleus' },
    precision: { enum: ['bf16', 'fp32'] },
    steps: { type: 'integer' },
    isFast: { type: 'boolean' },
    note: { type: 'string', title: 'A note' },
  },
};

describe('A form by a schema', () => {
  it('has a field for each property, with what may be in it', () => {
    expect(fieldsOf(schema, {})).toMatchObject([
      { name: 'topP', kind: 'number', isWhole: false, isRequired: true, help: 'nucleus; more than 0, at most 1' },
      { name: 'precision', kind: 'choice', values: ['bf16', 'fp32'], isRequired: false },
      { name: 'steps', kind: 'number', isWhole: true },
      { name: 'isFast', kind: 'boolean' },
      { name: 'note', kind: 'text', title: 'A note' },
    ]);
  });

  it.each([
    ['there is no schema', null, {}],
    ['the schema names no properties', { type: 'object' }, {}],
    ['a property has parts of its own', { properties: { routes: { type: 'array' } } }, {}],
    ['the value has what the schema does not name', schema, { other: 1 }],
  ])('is not made when %s: the value is written as JSON', (_, given, value) => {
    expect(fieldsOf(given, value)).toBeUndefined();
  });

  it('leaves out what is emptied, and keeps the rest as it is', () => {
    expect(withField({ topP: 0.9, note: 'x' }, 'note', '')).toEqual({ topP: 0.9 });
    expect(withField({ topP: 0.9 }, 'isFast', false)).toEqual({ topP: 0.9, isFast: false });
  });

  it('makes numbers of what is one, and leaves the judgement of the rest to the schema', () => {
    expect([numberOf('0.5'), numberOf('1e3'), numberOf('a lot')]).toEqual([0.5, 1_000, 'a lot']);
  });
});
