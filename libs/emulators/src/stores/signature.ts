import { Refusal, type StoreRequest } from './wire.js';

/** A signature is good for so long before and after its time. */
const MOST_SKEW_MS = 15 * 60_000;

/** Reads `20261127T231952Z`. */
const timeOf = (text: string | undefined): number => {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text ?? '');
  if (!match) return Number.NaN;
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number);
  return Date.UTC(year ?? 0, (month ?? 1) - 1, day, hour, minute, second);
};

/** Refuses what is not signed for this service now. Whose key it is, and whether the signature fits, is not looked at. */
export const mustBeSigned = ({ headers }: StoreRequest, service: string, now: number): void => {
  const scope = /^AWS4-HMAC-SHA256 Credential=[^/]+\/\d{8}\/[a-z0-9-]+\/([a-z-]+)\/aws4_request,/.exec(
    headers['authorization'] ?? '',
  );
  if (!scope) throw new Refusal('MissingAuthenticationTokenException', 'The request is not signed.');
  if (scope[1] !== service)
    throw new Refusal('InvalidSignatureException', `The signature is for ${scope[1]}, not for ${service}.`);
  if (!(Math.abs(timeOf(headers['x-amz-date']) - now) <= MOST_SKEW_MS))
    throw new Refusal('InvalidSignatureException', 'The signature has expired or is of the future.');
};
