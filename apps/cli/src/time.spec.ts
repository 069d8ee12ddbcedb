import { describe, expect, it } from 'vitest';
import { CliError } from './errors.js';
import { parseMoment } from './time.js';

const NOW = Date.parse('2025-08-29T12:00:00.000Z');

describe('naming a moment', () => {
  it.each([
    ['now', '2025-08-29T12:00:00.000Z'],
    ['10m', '2025-08-29T11:50:00.000Z'],
    ['-10m', '2025-08-29T11:50:00.000Z'],
    ['2h ago', '2025-08-29T10:00:00.000Z'],
    ['2025-08-05T09:30:00Z', '2025-08-05T09:30:00.000Z'],
    ['2025-08-05 09:30:00+02:00', '2025-08-05T07:30:00.000Z'],
  ])('%s is understood', (text, time) => {
    expect(parseMoment(text, NOW)).toEqual({ time });
  });

  it('a time without a zone is local, a date alone is local midnight', () => {
    expect(parseMoment('2025-08-05T09:30', NOW)).toEqual({ time: new Date(2025, 7, 5, 9, 30).toISOString() });
    expect(parseMoment('2025-08-05', NOW)).toEqual({ time: new Date(2025, 7, 5).toISOString() });
  });

  it('a position in the log is a moment too', () => {
    expect(parseMoment('#1042', NOW)).toEqual({ position: 1042 });
  });

  it.each(['yesterday', '12', '2025-13-45', '2025-02-30', '2025-02-30T10:00Z', '10000000000d', ''])(
    '"%s" is refused with the forms that are understood',
    (text) => {
      expect(() => parseMoment(text, NOW)).toThrow(CliError);
    },
  );
});
