import type { Problem } from '#libs/contracts';

/** The controller refused: what it said, in its words. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';

  constructor(
    readonly problem: Problem,
    readonly request: string,
  ) {
    super(problem.detail);
  }
}

/** Nobody answers at that address now. */
export class UnreachableError extends Error {
  override readonly name = 'UnreachableError';

  constructor(options?: ErrorOptions) {
    super('The controller does not answer.', options);
  }
}

const isProblem = (value: unknown): value is Problem =>
  typeof value === 'object' && value !== null && 'detail' in value && 'status' in value && 'code' in value;

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
};

/** The problem in an answer; one is made up for answers of proxies, which know no problem details. */
export const problemOf = async (response: Response): Promise<Problem> => {
  const text = await response.text().catch(() => '');
  const json = parse(text);
  if (isProblem(json)) return json;
  const { status } = response;
  const title = response.statusText || `HTTP ${status}`;
  return { type: 'about:blank', title, status, detail: text.slice(0, 300) || title, code: `http-${status}` };
};

/** What went wrong, in words for a person. */
export const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Another try would be refused in the same way. */
export const isFinal = (error: unknown): boolean =>
  error instanceof RefusedError && error.problem.status < 500 && error.problem.status !== 429;
