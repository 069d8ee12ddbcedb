import { describe, expect, it } from 'vitest';
import { changesBetween } from './changes.js';

describe('what changed between two values', () => {
  it('is named leaf by leaf, with the value before and after', () => {
    const changes = changesBetween(
      { pool: 'a', limits: { tokens: 1, turns: 2 } },
      { pool: 'a', limits: { tokens: 5, turns: 2 } },
    );
    expect(changes).toEqual([{ path: '/limits/tokens', before: 1, after: 5 }]);
  });

  it('tells added from removed', () => {
    expect(changesBetween({ old: 1 }, { new: 2 })).toEqual([
      { path: '/new', after: 2 },
      { path: '/old', before: 1 },
    ]);
  });

  it('takes a list as one value, and the order of keys in it for nothing', () => {
    expect(changesBetween({ rules: [{ a: 1, b: 2 }] }, { rules: [{ b: 2, a: 1 }] })).toEqual([]);
    expect(changesBetween({ rules: [1, 2] }, { rules: [2, 1] })).toEqual([
      { path: '/rules', before: [1, 2], after: [2, 1] },
    ]);
  });

  it('tells nothing from null', () => {
    expect(changesBetween({ pool: null }, {})).toEqual([{ path: '/pool', before: null }]);
    expect(changesBetween({ pool: null }, { pool: null })).toEqual([]);
  });

  it('escapes names as JSON pointers do', () => {
    expect(changesBetween({}, { 'a/b~c': 1 })).toEqual([{ path: '/a~1b~0c', after: 1 }]);
  });
});
