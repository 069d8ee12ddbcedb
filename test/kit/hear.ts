import type { Door } from './http.js';

/** Follows the stream of events, as `query` asks for it, until what was heard is enough; gives its text. */
export const hear = async (
  { url, token }: Door,
  query: string,
  enough: (text: string) => boolean,
  onOpen?: () => Promise<unknown>,
): Promise<string> => {
  const leave = new AbortController();
  const response = await fetch(`${url}/v1/events/stream${query}`, {
    headers: { authorization: `Bearer ${token}` },
    signal: leave.signal,
  });
  await onOpen?.();
  const decoder = new TextDecoder();
  let text = '';
  for await (const bytes of response.body ?? []) {
    text += decoder.decode(bytes as Uint8Array, { stream: true });
    if (enough(text)) break;
  }
  leave.abort();
  return text;
};
