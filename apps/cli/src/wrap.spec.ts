import { describe, expect, it } from 'vitest';
import { paintFor } from './look.js';
import { hang, longestWord, solid, visible, wrap } from './wrap.js';

const paint = paintFor({ env: { FORCE_COLOR: '1' }, isTty: true, refused: false });

describe('wrapping for a narrow terminal', () => {
  it('breaks lines at word ends', () => {
    expect(wrap('caught in the first stage after 4 s', 12)).toEqual(['caught in', 'the first', 'stage after', '4 s']);
  });

  it('cuts only a word that is longer than a line, at a joint where it has one', () => {
    expect(wrap('see router.context-window now', 10)).toEqual(['see', 'router.', 'context-', 'window now']);
    expect(wrap('aaaaaaaaaaaa', 5)).toEqual(['aaaaa', 'aaaaa', 'aa']);
  });

  it('keeps a time on one line', () => {
    expect(wrap(`at ${solid('2025-08-29 12:00:00')} UTC`, 20)).toEqual(['at', '2025-08-29 12:00:00', 'UTC']);
  });

  it('ends a colour with its line and begins it again in the next', () => {
    const [first, second] = wrap(paint.red('one two'), 4);
    expect([first, second]).toEqual([paint.red('one'), paint.red('two')]);
    expect(wrap(paint.red('abcdef'), 3)).toEqual([paint.red('abc'), paint.red('def')]);
  });

  it('hangs what does not fit under the text, not under the time', () => {
    const text = hang('12:03:12  api enters the stage of ten percent', 26, 10);
    expect(text.split('\n')).toEqual(['12:03:12  api enters the', '          stage of ten', '          percent']);
    expect(hang('12:03:12  short', 80, 10)).toBe('12:03:12  short');
  });

  it('counts columns without colours', () => {
    expect(visible(paint.red('four'))).toBe(4);
    expect(longestWord(`a ${paint.dim('three')} bb`)).toBe(5);
  });
});
