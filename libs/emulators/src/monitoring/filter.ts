/** One time series as it is filtered and grouped. */
export type Labelled = {
  readonly metric: { readonly type: string; readonly labels: Readonly<Record<string, string>> };
  readonly resource: { readonly type: string; readonly labels: Readonly<Record<string, string>> };
};

export type Filter = { readonly metricType: string; readonly fits: (series: Labelled) => boolean };

const TERM =
  /\s*(?:AND\s+)?([a-z]+\.(?:type|labels?\.(?:"[^"]+"|[A-Za-z0-9_]+)))\s*(!=|=)\s*(one_of\((?:\s*"[^"]*"\s*,?)+\)|starts_with\("[^"]*"\)|"[^"]*")\s*/y;

/** The value at a path such as `metric.labels.response_code`; the spelling with `label` is taken as well. */
export const valueAt = ({ metric, resource }: Labelled, path: string): string | undefined => {
  const [root = '', kind, ...rest] = path.split('.');
  const of = root === 'metric' ? metric : root === 'resource' ? resource : undefined;
  if (!of) return undefined;
  return kind === 'type' ? of.type : of.labels[rest.join('.').replaceAll('"', '')];
};

const matcher = (text: string): ((value: string | undefined) => boolean) => {
  const strings = [...text.matchAll(/"([^"]*)"/g)].map(([, one = '']) => one);
  if (text.startsWith('starts_with')) return (value) => value?.startsWith(strings[0] ?? '') ?? false;
  return (value) => strings.includes(value ?? '');
};

/** Reads a filter of terms that must all fit; gives what is wrong with one that cannot be read. */
export const readFilter = (text: string): Filter | string => {
  const terms: {
    readonly path: string;
    readonly fits: (value: string | undefined) => boolean;
    readonly raw: string;
  }[] = [];
  TERM.lastIndex = 0;
  let end = 0;
  while (end < text.length) {
    const match = TERM.exec(text);
    if (!match) return `The filter cannot be read from here: ${text.slice(end, end + 60)}`;
    const [, path = '', operator, value = ''] = match;
    const fits = matcher(value);
    terms.push({ path, raw: value, fits: operator === '=' ? fits : (one) => !fits(one) });
    end = TERM.lastIndex;
  }
  const types = terms.filter(({ path }) => path === 'metric.type');
  const [type] = types;
  if (types.length !== 1 || !type?.raw.startsWith('"'))
    return 'The provided filter must name a single metric type by metric.type = "…".';
  return {
    metricType: type.raw.slice(1, -1),
    fits: (series) => terms.every(({ path, fits }) => fits(valueAt(series, path))),
  };
};
