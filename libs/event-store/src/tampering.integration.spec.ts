import type { TestDatabase } from '#test/test-database';
import { createTestDatabase } from '#test/test-database';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newSigner, signNote, checkpointText, parseCheckpoint, type Verifier } from './index.js';
import { asOwner, openSealedLog, verifyPool, type SealedLog } from './sealed-log.spec-support.js';

const UNSEALED = 2;
const LEAF = `sha256('\\x00'::bytea || convert_to(body, 'UTF8'))`;

let database: TestDatabase;
let log: SealedLog;
let keys: readonly Verifier[];
let oldHead: string;

beforeAll(async () => {
  database = await createTestDatabase();
});
/** 300 events under heads of 100, 200 and 300, then two that are not sealed. */
beforeEach(async () => {
  await database.clear();
  log = openSealedLog(database);
  const sealed = async (count: number): Promise<string> => {
    await log.append(count);
    const sealer = log.start();
    const { checkpoint } = await log.appendSealed(0);
    await log.stop(sealer);
    return checkpoint;
  };
  await sealed(100);
  oldHead = await sealed(100);
  await sealed(100);
  keys = log.keys.all();
  await log.append(UNSEALED);
});
afterEach(() => log.close());
afterAll(() => database.drop());

const owner = (...statements: readonly string[]) => asOwner(log.pool, ...statements);
const withWitness = () => verifyPool(log.pool, { keys, witness: log.file.path });
const withKey = () => verifyPool(log.pool, { keys });
const withHead = () => verifyPool(log.pool, { keys, heads: [oldHead] });
const first = async (verifying: () => ReturnType<typeof verifyPool>) => {
  const { verdict, first: fault } = await verifying();
  return { verdict, from: fault?.from, to: fault?.to, kind: fault?.kind };
};
const at = (position: number, kind: string) => ({ verdict: 'altered', from: position, to: position, kind });

/** Whoever may write in the database makes everything below the signatures fit again. */
const REBUILD = [`update event_store.events set leaf = ${LEAF}`, `truncate event_store.tree_nodes`];

const forgeHeads = async (signWith: 'own' | 'stolen'): Promise<void> => {
  const { Frontier } = await import('./index.js');
  const [stolen] = log.keys.all();
  const own = newSigner(stolen?.name ?? '');
  const signer = signWith === 'own' ? own : stolen;
  if (signer === undefined) throw new Error('There is no key.');
  const nodes: string[] = [];
  const frontier = new Frontier(
    (level, index, hash) => nodes.push(`(${level}, ${index}, '\\x${Buffer.from(hash, 'binary').toString('hex')}')`),
    8,
  );
  const { rows } = await log.pool.query<{ leaf: Buffer }>('select leaf from event_store.events order by position');
  const heads: string[] = [];
  for (const { leaf } of rows) {
    frontier.append(leaf);
    if (![100, 200, 300].includes(frontier.size)) continue;
    const signedAt = '2026-11-22T10:00:00.000Z';
    const head = { origin: signer.name, size: frontier.size, root: frontier.root(), signedAt };
    const { note } = parseCheckpoint(signNote(checkpointText(head), signer));
    const signature = note.signatures[0]?.signature.toString('hex');
    heads.push(`(${head.size}, '\\x${head.root.toString('hex')}', '${signedAt}', '${signer.id}', '\\x${signature}')`);
  }
  await owner(
    'truncate event_store.tree_heads, event_store.tree_nodes',
    ...(signWith === 'own'
      ? [`update event_store.seal_keys set key_id = '${own.id}', public_key = '\\x${own.publicKey.toString('hex')}'`]
      : []),
    `insert into event_store.tree_nodes (level, index, hash) values ${nodes.join()}`,
    `insert into event_store.tree_heads (size, root, signed_at, key_id, signature) values ${heads.join()}`,
  );
};

describe('rule 9: a log that nobody altered', () => {
  it('is anchored by a witness or a head from outside, and names where the unsealed tail begins', async () => {
    expect(await withWitness()).toMatchObject({ verdict: 'anchored', unsealedFrom: 301, events: 302, faults: [] });
    const report = await withHead();
    expect(report).toMatchObject({ verdict: 'anchored', sealed: { size: 300 }, anchors: [{ size: 200 }] });
  });

  it('is only consistent with itself without anything from outside', async () => {
    expect(await withKey()).toMatchObject({ verdict: 'not-anchored', faults: [], unsealedFrom: 301 });
    expect((await verifyPool(log.pool)).notes.join()).toMatch(/key .* was taken from the log/);
  });
});

describe('rule 9: an alteration by SQL, past the trigger that guards the log', () => {
  const ONE_BIT = `overlay(body placing chr(ascii(substr(body, 12, 1)) # 1) from 12 for 1)`;

  it('of one bit of a body is named', async () => {
    await owner(`update event_store.events set body = ${ONE_BIT} where position = 137`);
    expect(await first(withKey)).toMatchObject({ verdict: 'altered', from: 137, to: 137 });
  });

  it('of one bit of a leaf is named', async () => {
    await owner(`update event_store.events set leaf = set_bit(leaf, 77, 1 - get_bit(leaf, 77)) where position = 137`);
    expect(await first(withKey)).toEqual(at(137, 'leaf'));
  });

  it('of a body with its leaf is named by the witness, and by roots alone in the range between two heads', async () => {
    await owner(
      `update event_store.events set body = replace(body, '"n":137}', '"n":138}') where position = 137`,
      `update event_store.events set leaf = ${LEAF} where position = 137`,
    );
    expect(await first(withWitness)).toEqual(at(137, 'witness'));
    expect(await first(withKey)).toEqual({ verdict: 'altered', from: 101, to: 200, kind: 'root' });
    expect(await first(withHead)).toEqual({ verdict: 'altered', from: 101, to: 200, kind: 'root' });
  });

  it.each([
    ['stream_id', `stream_id = 'other'`],
    ['stream_version', 'stream_version = 9999'],
    ['recorded_at', `recorded_at = recorded_at + interval '1 ms'`],
  ])('of the column %s is named', async (_, change) => {
    await owner(`update event_store.events set ${change} where position = 42`);
    expect(await first(withKey)).toEqual(at(42, 'column'));
  });

  it('that removes an event is named', async () => {
    await owner('delete from event_store.events where position = 5');
    expect(await first(withKey)).toEqual(at(5, 'missing'));
  });

  it('that removes an event and moves the others up is named', async () => {
    await owner(
      'delete from event_store.events where position = 5',
      'update event_store.events set position = -position where position > 5',
      'update event_store.events set position = -position - 1 where position < 0',
    );
    expect(await first(withKey)).toEqual(at(5, 'column'));
  });

  it('that inserts an event is named', async () => {
    await owner(
      'update event_store.events set position = -position where position > 5',
      'update event_store.events set position = -position + 1 where position < 0',
      `insert into event_store.events select 6, 'inserted', 1, recorded_at, body, leaf from event_store.events where position = 5`,
    );
    expect(await first(withKey)).toEqual(at(6, 'column'));
  });

  it('that swaps two events is named', async () => {
    await owner(
      'update event_store.events set position = -1 where position = 10',
      'update event_store.events set position = 10 where position = 11',
      'update event_store.events set position = 11 where position = -1',
    );
    expect(await first(withKey)).toEqual(at(10, 'column'));
  });

  it('that cuts the end off is found by its heads, and by the witness where those were cut off as well', async () => {
    await owner('delete from event_store.events where position > 250');
    expect(await first(withKey)).toEqual(at(251, 'truncated'));
    await owner(
      'delete from event_store.tree_heads where size > 200',
      'delete from event_store.events where position > 200',
    );
    expect((await withKey()).verdict).toBe('not-anchored');
    expect((await withHead()).verdict).toBe('anchored');
    expect(await first(withWitness)).toEqual(at(201, 'truncated'));
  });

  it('that empties everything is found by the witness', async () => {
    await owner('truncate event_store.events, event_store.tree_nodes, event_store.tree_heads');
    expect(await first(withWitness)).toEqual(at(1, 'truncated'));
  });

  it('that restores an older backup and goes on from there is named by the witness', async () => {
    await owner(
      'delete from event_store.events where position > 150',
      'delete from event_store.tree_heads where size > 100',
      'truncate event_store.tree_nodes',
    );
    await log.append(160);
    expect(await first(withWitness)).toEqual(at(151, 'witness'));
    expect(await first(withHead)).toEqual({ verdict: 'altered', from: 101, to: 200, kind: 'root' });
    expect((await withKey()).verdict).toBe('not-anchored');
  });

  it('of a stored node, or its loss, is found in the range that it is over', async () => {
    await owner('update event_store.tree_nodes set hash = set_bit(hash, 3, 1 - get_bit(hash, 3))');
    expect(await first(withKey)).toEqual({ verdict: 'altered', from: 1, to: 256, kind: 'node' });
    await owner('truncate event_store.tree_nodes');
    expect(await first(withKey)).toEqual({ verdict: 'altered', from: 1, to: 256, kind: 'node' });
  });

  it('of a head is found', async () => {
    await owner('update event_store.tree_heads set root = set_bit(root, 3, 1 - get_bit(root, 3)) where size = 200');
    expect(await first(withKey)).toEqual({ verdict: 'altered', from: 101, to: 200, kind: 'signature' });
  });
});

describe('rule 9: a history that was written anew', () => {
  beforeEach(() =>
    owner(
      `update event_store.events set body = replace(body, '"n":137}', '"n":138}') where position = 137`,
      ...REBUILD,
    ),
  );

  it('by somebody with the database but without the key is found by the key alone', async () => {
    await forgeHeads('own');
    expect(await first(withKey)).toEqual(at(1, 'key'));
    expect(await first(withWitness)).toMatchObject({ verdict: 'altered' });
    expect((await withWitness()).faults).toContainEqual(expect.objectContaining({ kind: 'witness', from: 137 }));
  });

  it('by somebody with the key but without the witness is found by what is outside, and by nothing else', async () => {
    await forgeHeads('stolen');
    expect((await withKey()).verdict).toBe('not-anchored');
    expect(await first(withWitness)).toEqual(at(137, 'witness'));
    expect(await first(withHead)).toEqual({ verdict: 'altered', from: 101, to: 200, kind: 'root' });
  });
});
