import type { ConfigView } from '#libs/contracts';
import { RefusedError } from '../api/problem.js';

type Value = Readonly<Record<string, unknown>>;

const API_VERSION = 'headgate.dev/v1';

/** The manifest of a config with another value; what it leaves out stays as it is. */
export const manifestOf = (
  { key, kind, assignment }: Pick<ConfigView, 'key' | 'kind' | 'assignment'>,
  value: Value,
): Value => ({
  apiVersion: API_VERSION,
  kind: 'Config',
  metadata: { name: key },
  spec: { kind, ...(assignment === null ? {} : { assignment }), value },
});

const VALUE = /^\/manifests\/0\/spec\/value(\/.*)$/;

/** What the controller found wrong with fields of the value: pointer within the value → why. */
export const valueFaults = (error: unknown): Readonly<Record<string, string>> => {
  if (!(error instanceof RefusedError)) return {};
  return Object.fromEntries(
    (error.problem.errors ?? []).flatMap(({ pointer, detail }) => {
      const field = VALUE.exec(pointer)?.[1];
      return field === undefined ? [] : [[field, detail]];
    }),
  );
};
