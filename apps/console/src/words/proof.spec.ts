import { describe, expect, it } from 'vitest';
import type { EventView, LogHead } from '#libs/contracts';
import { prove, rootFrom, type Evidence } from './proof.js';

const SIZE = 11;
const POSITION = 7;
const ORIGIN = 'headgate.dev/log/test';

const sha = async (...parts: readonly Uint8Array[]): Promise<Uint8Array> =>
  new Uint8Array(await crypto.subtle.digest('SHA-256', Buffer.concat(parts)));
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
const leafOf = (line: string): Promise<Uint8Array> => sha(Uint8Array.of(0), Buffer.from(line));

const split = (size: number): number => 2 ** Math.ceil(Math.log2(size) - 1);

/** The definitions of RFC 9162, sections 2.1.1 and 2.1.3.1, word by word. */
const rootOf = async (leaves: readonly Uint8Array[]): Promise<Uint8Array> => {
  if (leaves.length === 1) return leaves[0]!;
  const middle = split(leaves.length);
  return sha(Uint8Array.of(1), await rootOf(leaves.slice(0, middle)), await rootOf(leaves.slice(middle)));
};
const pathOf = async (leaves: readonly Uint8Array[], index: number): Promise<readonly Uint8Array[]> => {
  if (leaves.length === 1) return [];
  const middle = split(leaves.length);
  return index < middle
    ? [...(await pathOf(leaves.slice(0, middle), index)), await rootOf(leaves.slice(middle))]
    : [...(await pathOf(leaves.slice(middle), index - middle)), await rootOf(leaves.slice(0, middle))];
};

const shown: EventView = {
  position: POSITION,
  stream: 'rollout-7',
  version: 3,
  type: 'RolloutHeld',
  summary: 'held',
  actor: { kind: 'user', name: 'alice' },
  reason: 'waiting',
  occurredAt: '2025-08-29T12:00:00.000Z',
  recordedAt: '2025-08-29T12:00:01.000Z',
  causationId: null,
  correlationId: 'c',
  eventId: 'e7',
  data: {},
};
const LINE = JSON.stringify({
  data: {},
  eventId: 'e7',
  metadata: { actor: shown.actor, occurredAt: shown.occurredAt, reason: 'waiting' },
  position: POSITION,
  recordedAt: shown.recordedAt,
  streamId: shown.stream,
  type: shown.type,
});

/** What an honest controller answers. */
const evidence = async (): Promise<Evidence> => {
  const lines = Array.from({ length: SIZE }, (_, index) => (index === POSITION - 1 ? LINE : `event ${index}`));
  const leaves = await Promise.all(lines.map(leafOf));
  const root = base64(await rootOf(leaves));
  const pair = (await crypto.subtle.generateKey('Ed25519', true, ['sign', 'verify'])) as CryptoKeyPair;
  const publicKey = new Uint8Array(await crypto.subtle.exportKey('raw', pair.publicKey));
  const id = Buffer.from(await sha(Buffer.from(`${ORIGIN}\n`), Uint8Array.of(1), publicKey)).subarray(0, 4);
  const text = `${ORIGIN}\n${SIZE}\n${root}\nsigned 2025-08-29T12:00:02.000Z\n`;
  const signature = new Uint8Array(await crypto.subtle.sign('Ed25519', pair.privateKey, Buffer.from(text)));
  const keyId = id.toString('hex');
  const proof = (await pathOf(leaves, POSITION - 1)).map(base64);
  const head: LogHead = {
    origin: ORIGIN,
    size: SIZE,
    root,
    signedAt: null,
    keyId,
    checkpoint: `${text}\n— ${ORIGIN} ${base64(Buffer.concat([id, signature]))}\n`,
    position: SIZE,
    unsealedFrom: null,
    sealing: { state: 'sealing', message: null },
  };
  const key = `${ORIGIN}+${keyId}+${base64(Buffer.concat([Uint8Array.of(1), publicKey]))}`;
  return {
    shown,
    line: Buffer.from(LINE),
    head,
    keys: { items: [{ id: keyId, publicKey: key, fromSize: 0, madeAt: '', statement: null }] },
    proof: { position: POSITION, size: SIZE, leaf: base64(leaves[POSITION - 1]!), proof },
  };
};

describe('The proof of an event, computed in the browser', () => {
  it('leads from every leaf of every small tree to its root, and from no other place', async () => {
    const leaves = await Promise.all(Array.from({ length: 20 }, (_, index) => leafOf(`${index}`)));
    for (let size = 1; size <= leaves.length; size += 1) {
      const some = leaves.slice(0, size);
      const root = base64(await rootOf(some));
      for (let index = 0; index < size; index += 1) {
        const path = await pathOf(some, index);
        expect(base64((await rootFrom(some[index]!, index, size, path))!), `${index} of ${size}`).toBe(root);
        expect(await rootFrom(some[index]!, size, size, path)).toBeUndefined();
        expect(await rootFrom(some[index]!, index, size, [...path, some[0]!])).toBeUndefined();
      }
    }
  });

  it('holds for what an honest controller answers', async () => {
    expect(await prove(await evidence())).toMatchObject({ isProved: true, isRefuted: false });
  });

  it.each<readonly [string, (honest: Evidence) => Evidence]>([
    ['another reason is shown', (all) => ({ ...all, shown: { ...shown, reason: 'because I can' } })],
    ['another actor is shown', (all) => ({ ...all, shown: { ...shown, actor: { kind: 'user', name: 'bob' } } })],
    ['other bytes are sent', (all) => ({ ...all, line: Buffer.from(LINE.replace('waiting', 'waitinG')) })],
    [
      'the proof is of another place',
      (all) => ({ ...all, proof: { ...all.proof, proof: all.proof.proof.toReversed() } }),
    ],
    [
      'the head names another root',
      (all) => ({
        ...all,
        head: { ...all.head, checkpoint: all.head.checkpoint.replace(all.head.root, base64(new Uint8Array(32))) },
      }),
    ],
    [
      'the head was signed for another time',
      (all) => ({ ...all, head: { ...all.head, checkpoint: all.head.checkpoint.replace('12:00:02', '12:00:03') } }),
    ],
    ['no key of that id is there', (all) => ({ ...all, keys: { items: [] } })],
  ])('is refuted where %s', async (_, alter) => {
    expect(await prove(alter(await evidence()))).toMatchObject({ isProved: false, isRefuted: true });
  });
});
