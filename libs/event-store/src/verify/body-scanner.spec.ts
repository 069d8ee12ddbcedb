import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson } from '../canonical.js';
import { BodyScanner, textOf } from './body-scanner.js';

const event = (data: unknown) => ({
  data,
  eventId: '0198f0c0-7d7a-7000-8000-00000000000a',
  metadata: { actor: { kind: 'person', name: 'Zoë "\\\u0001 \u2028' }, precision: 'instant' },
  position: 42,
  recordedAt: '2026-11-22T10:00:00.000Z',
  schemaVersion: 1,
  streamId: 'rollout-ü',
  streamVersion: 7,
  type: 'ExposureRequested',
});

const scan = (text: string) => {
  const bytes = Buffer.from(`\n${text}\n`);
  const scanner = new BodyScanner();
  const isCanonical = scanner.isCanonical(textOf(bytes), 1, bytes.length - 1);
  return {
    isCanonical,
    position: scanner.position,
    streamVersion: scanner.streamVersion,
    streamId: bytes.toString('utf8', scanner.streamFrom, scanner.streamTo),
    recordedAt: bytes.toString('utf8', scanner.recordedFrom, scanner.recordedTo),
  };
};

/** What the end of a body alone tells. */
const scanEnd = (text: string) => {
  const bytes = Buffer.from(`\n${text}\n`);
  const scanner = new BodyScanner();
  if (!scanner.readEnd(bytes, 1, bytes.length - 1)) return undefined;
  return {
    position: scanner.position,
    streamVersion: scanner.streamVersion,
    streamId: bytes.toString('utf8', scanner.streamFrom, scanner.streamTo),
    recordedAt: bytes.toString('utf8', scanner.recordedFrom, scanner.recordedTo),
  };
};

const READ = {
  isCanonical: true,
  position: 42,
  streamVersion: 7,
  streamId: 'rollout-ü',
  recordedAt: '2026-11-22T10:00:00.000Z',
};

const values = [
  {},
  [],
  { '': 0, a: -1, aa: 1e21, b: 0.5, c: 1e-7, d: 123456789012345680000 },
  { '\u20ac': 1, '\r': 2, '1': 3, '\ud83d\ude00': 4, '\ufb33': 5, 'é"': 6 },
  [true, false, null, 'x\b\f\n\r\t"\\/', '\u0000\u000b\u001f\u007f'],
];

const insane = (text: string): readonly (readonly [string, string])[] => [
  ['a space', text.replace('"data":', '"data": ')],
  ['keys in another order', text.replace('{"a":1,"b":2}', '{"b":2,"a":1}')],
  ['a key given twice', text.replace('{"a":1,"b":2}', '{"a":1,"a":2}')],
  ['a number in another form', text.replace('"a":1', '"a":1.0')],
  ['a leading zero', text.replace('"a":1', '"a":01')],
  ['minus nothing', text.replace('"a":1', '"a":-0')],
  ['an escape that is not needed', text.replace('ExposureRequested', 'Exposure\\u0052equested')],
  ['an escaped slash', text.replace('instant', 'ins\\/tant')],
  ['capitals in an escape', text.replace('\\u0001', '\\u001F')],
  ['a comma too many', text.replace('"b":2}', '"b":2,}')],
  ['another key of the envelope', text.replace('{"data"', '{"constraint":1,"data"')],
  ['something after the end', `${text}x`],
  ['no end', text.slice(0, -1)],
  ['no position', text.replace('"position":42,', '')],
];

describe('rule 9: the scanner of bodies', () => {
  it.each(values.map((value) => [JSON.stringify(value), value] as const))('reads %s', (_, value) => {
    expect(scan(canonicalJson(event(value)))).toEqual(READ);
  });

  it('reads whatever is canonical', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 4 }), (json) => {
        expect(scan(canonicalJson(event(JSON.parse(json))))).toEqual(READ);
      }),
      { numRuns: 300 },
    );
  });

  it('reads from the end of a body what it reads from the whole, or leaves it', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.json(), (name, json) => {
        const text = canonicalJson({ ...event(JSON.parse(json)), streamId: name });
        const { isCanonical, ...read } = scan(text);
        const end = scanEnd(text);
        expect(isCanonical).toBe(true);
        if (/["\\]/.test(JSON.stringify(name).slice(1, -1))) expect([undefined, read]).toContainEqual(end);
        else expect(end).toEqual(read);
      }),
      { numRuns: 300 },
    );
  });

  it.each(insane(canonicalJson(event({ a: 1, b: 2 }))))('refuses %s', (_, text) => {
    expect(scan(text).isCanonical).toBe(false);
  });

  it('says of any altered byte what canonicalizing says', () => {
    const text = canonicalJson(event({ a: 1.5, b: [true, null, 'x\n'], c: { d: -3, e: 'y' } }));
    const whole = Buffer.from(text);
    for (let at = 0; at < whole.length; at += 1) {
      for (const mask of [1, 2, 4, 8, 16, 32, 64]) {
        const altered = Buffer.from(whole);
        altered[at] = (altered[at] ?? 0) ^ mask;
        const changed = altered.toString();
        if (!Buffer.from(changed).equals(altered)) continue;
        const says = (): boolean => {
          try {
            const parsed = JSON.parse(changed) as Record<string, unknown>;
            return canonicalJson(parsed) === changed;
          } catch {
            return false;
          }
        };
        const { isCanonical } = scan(changed);
        if (isCanonical) expect(says(), changed).toBe(true);
      }
    }
  });
});
