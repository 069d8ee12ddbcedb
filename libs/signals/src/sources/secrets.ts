/** The environment of this process. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A secret that a manifest names and this process does not have. */
export class MissingSecretError extends Error {
  override readonly name = 'MissingSecretError';

  constructor(variable: string) {
    super(`this controller has no environment variable ${variable}, which the source names: set it and start it again`);
  }
}

/** The value of a variable without the line break that files end with. Throws `MissingSecretError` where it is not set. */
export const secretOf = (environment: Environment, variable: string): string => {
  const value = environment[variable]?.trim();
  if (value === undefined || value === '') throw new MissingSecretError(variable);
  return value;
};
