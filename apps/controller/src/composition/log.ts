import type { Log } from '#libs/application';

type Sink = (line: string) => void;
type Style = 'json' | 'pretty' | 'quiet';

const line = (
  style: Style,
  level: 'info' | 'error',
  message: string,
  fields: Readonly<Record<string, unknown>>,
): string => {
  const at = new Date().toISOString();
  if (style === 'json') return JSON.stringify({ at, level, message, ...fields });
  const rest = Object.entries(fields).map(([key, value]) => `${key}=${String(value)}`);
  return [at.slice(11, 19), level === 'error' ? 'ERROR' : '', message, ...rest].filter((part) => part !== '').join(' ');
};

/** Structured lines on stderr; `quiet` keeps errors only. */
export const makeLog = (style: Style, sink: Sink = (text) => process.stderr.write(`${text}\n`)): Log => ({
  info: (message, fields = {}) => {
    if (style !== 'quiet') sink(line(style, 'info', message, fields));
  },
  error: (message, fields = {}) => sink(line(style === 'quiet' ? 'pretty' : style, 'error', message, fields)),
});
