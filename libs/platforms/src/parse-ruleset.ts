import type { JsonObject } from '#libs/kernel';

/** What was stored, as a JSON object; `{}` where it is none: then nobody of ours wrote it. */
export const parseRuleset = (text: string): JsonObject => {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
};
