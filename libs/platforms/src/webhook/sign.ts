import { createHmac } from 'node:crypto';

/** The bytes of a secret: those behind `whsec_` in base64, otherwise the text itself. */
const keyOf = (secret: string): Buffer =>
  secret.startsWith('whsec_') ? Buffer.from(secret.slice('whsec_'.length), 'base64') : Buffer.from(secret);

/**
 * Headers of a message signed as Standard Webhooks has it: HMAC-SHA256 over id, time in seconds and body; one signature
 * for each secret, so that a secret can be changed without a gap. https://www.standardwebhooks.com
 */
export const signed = (
  id: string,
  nowMs: number,
  body: string,
  secrets: readonly string[],
): Readonly<Record<string, string>> => {
  const timestamp = String(Math.floor(nowMs / 1_000));
  const signatures = secrets.map(
    (secret) => `v1,${createHmac('sha256', keyOf(secret)).update(`${id}.${timestamp}.${body}`).digest('base64')}`,
  );
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures.join(' ') };
};
