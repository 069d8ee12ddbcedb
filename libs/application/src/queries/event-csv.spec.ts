import type { EventView } from '#libs/contracts';
import { describe, expect, it } from 'vitest';
import { csvHead, csvLine } from './event-csv.js';

const event: EventView = {
  position: 7,
  stream: 'rollout-1',
  version: 2,
  type: 'RolloutHeld',
  summary: 'held',
  actor: { kind: 'person', name: 'ada' },
  reason: null,
  occurredAt: '2026-11-28T10:15:00.000Z',
  recordedAt: '2026-11-28T10:15:00.001Z',
  causationId: null,
  correlationId: 'c',
  eventId: 'e',
  data: { until: -1, text: 'a "b"' },
};
const columnOf = (name: string, given: Partial<EventView>): string => {
  const at = csvHead.trim().split(',').indexOf(name);
  const fields = csvLine({ ...event, ...given })
    .trimEnd()
    .match(/"(?:[^"]|"")*"|[^,]+/g);
  return fields?.[at] ?? '';
};

describe('Events as CSV', () => {
  it('are a line each, under a line that names the columns, with line ends as RFC 4180 has them', () => {
    expect(csvHead).toMatch(/^position,recordedAt,.*,data\r\n$/);
    expect(csvLine(event)).toBe(
      '7,"2026-11-28T10:15:00.001Z","2026-11-28T10:15:00.000Z","rollout-1",2,"RolloutHeld","held","person","ada","","e","c","","{""until"":-1,""text"":""a \\""b\\""""}"\r\n',
    );
  });

  it('keep their data as JSON that reads back', () => {
    const data = columnOf('data', {}).slice(1, -1).replaceAll('""', '"');
    expect(JSON.parse(data)).toEqual(event.data);
  });

  it.each([
    ['=1+1', `"'=1+1"`],
    ['+1', `"'+1"`],
    ['-1', `"'-1"`],
    ['@SUM(A1)', `"'@SUM(A1)"`],
    ['\t=1', `" '=1"`],
    ['\n=1', `" '=1"`],
    ['＝1', `"'＝1"`],
    ['as agreed; =HYPERLINK("x")', `"as agreed; '=HYPERLINK(""x"")"`],
    ['5 - 3 = 2, "so"', `"5 - 3 = 2, ""so"""`],
    ['one\r\ntwo', `"one two"`],
  ])('show %j as text', (reason, shown) => {
    expect(columnOf('reason', { reason })).toBe(shown);
  });
});
