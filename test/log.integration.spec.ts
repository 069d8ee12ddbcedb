import { createHmac } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { isSignedBy, parseCheckpoint, parseVerifier, verifyConsistency, verifyInclusion } from '#libs/event-store';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli } from '../apps/cli/src/program.js';
import { scriptedTerminal } from '../apps/cli/src/testing/scripted-terminal.js';
import { ask, issueToken, problemIn } from './kit/http.js';
import { startInProcess, type InProcess } from './kit/in-process.js';
import { until } from './kit/until.js';
import { createEmptyDatabase, createTestDatabase, type TestDatabase } from './test-database.js';

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const KEY = Buffer.alloc(32, 7);

type Delivery = { readonly id: string; readonly fits: boolean; readonly data: unknown };

let database: TestDatabase;
let folder: string;
let receiver: Server;
let controller: InProcess;
const deliveries: Delivery[] = [];
let refusals = 2;

const receive = (): Promise<Server> =>
  new Promise((resolve) => {
    const server = createServer((request, response) => {
      void text(request).then((body) => {
        const { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': signature } = request.headers;
        const expected = `v1,${createHmac('sha256', KEY)
          .update(`${String(id)}.${String(at)}.${body}`)
          .digest('base64')}`;
        refusals -= 1;
        if (refusals < 0)
          deliveries.push({
            id: String(id),
            fits: signature === expected,
            data: (JSON.parse(body) as { data: unknown }).data,
          });
        response.writeHead(refusals < 0 ? 204 : 503).end();
      });
    });
    server.listen(0, '127.0.0.1', () => resolve(server));
  });

const cli = async (...words: readonly string[]) => {
  const { url, token = '' } = controller.viewer;
  const terminal = scriptedTerminal({
    env: { HEADGATE_URL: url, HEADGATE_TOKEN: token, HEADGATE_DATA_DIR: folder },
    cwd: folder,
  });
  const status = await runCli(words, terminal);
  return { status, out: terminal.stdout(), err: terminal.stderr() };
};
const inFolder = (name: string): string => join(folder, name);
const get = (path: string) => ask(controller.viewer, 'GET', path);
type Head = { readonly size: number; readonly root: string; readonly checkpoint: string; readonly position: number };
const headNow = async (): Promise<Head> => (await get('/v1/log/head')).json as Head;
const sealed = (): Promise<Head> =>
  until('all is sealed', async () => {
    const head = await headNow();
    return head.size === head.position && head;
  });
const bytes = (base64: string): Buffer => Buffer.from(base64, 'base64');
const witness = (): string => inFolder('witness.ndjson');

beforeAll(async () => {
  database = await createTestDatabase();
  folder = mkdtempSync(join(tmpdir(), 'headgate-log-'));
  receiver = await receive();
  controller = await startInProcess(database.url, {
    env: {
      HEADGATE_SEAL_KEY_FILE: inFolder('seal-key'),
      HEADGATE_WITNESS_FILE: witness(),
      HEADGATE_WITNESS_URL: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/heads`,
      HEADGATE_WITNESS_SECRET: SECRET,
    },
  });
  await until('the first head', async () => (await get('/v1/log/head')).status === 200);
  await sealed();
});
afterAll(async () => {
  await controller.stop();
  receiver.close();
  await database.drop();
  rmSync(folder, { recursive: true, force: true });
});

describe('rule 9: the log over HTTP', () => {
  it('gives the newest head, as JSON and as the signed note itself, and the key that signed it', async () => {
    const head = await sealed();
    const note = await ask(controller.viewer, 'GET', '/v1/log/head', { headers: { accept: 'text/plain' } });
    const keys = (await get('/v1/log/keys')).json as { items: { publicKey: string; statement: unknown }[] };
    expect(note.text).toBe(head.checkpoint);
    expect(note.type).toMatch(/^text\/plain/);
    const [key] = keys.items;
    expect(isSignedBy(parseCheckpoint(head.checkpoint).note, parseVerifier(key?.publicKey ?? ''))).toBe(true);
    expect(statSync(inFolder('seal-key')).mode & 0o777).toBe(0o600);
    expect(JSON.stringify(keys)).not.toContain('PRIVATE');
  });

  it('proves that each event is in it, and that it only grew', async () => {
    const before = await sealed();
    await issueToken(controller.admin, 'viewer');
    const after = await sealed();
    expect(after.size).toBeGreaterThan(before.size);
    for (let position = 1; position <= after.size; position += 1) {
      const { leaf, proof } = (await get(`/v1/log/inclusion?position=${position}&size=${after.size}`)).json as {
        leaf: string;
        proof: string[];
      };
      const head = { size: after.size, root: bytes(after.root) };
      expect(verifyInclusion(bytes(leaf), position - 1, head, proof.map(bytes)), `event ${position}`).toBe(true);
    }
    const path = `/v1/log/consistency?first=${before.size}&second=${after.size}`;
    const { proof } = (await get(path)).json as { proof: string[] };
    const [first, second] = [before, after].map(({ size, root }) => ({ size, root: bytes(root) }));
    expect(first && second && verifyConsistency(first, second, proof.map(bytes))).toBe(true);
  });

  it.each([
    ['/v1/log/inclusion', '/position'],
    ['/v1/log/inclusion?position=0', '/position'],
    ['/v1/log/inclusion?position=1&size=x', '/size'],
    ['/v1/log/inclusion?position=1&size=900000', '/size'],
    ['/v1/log/inclusion?position=3&size=2', '/position'],
    ['/v1/log/consistency?second=1', '/first'],
    ['/v1/log/consistency?first=2&second=1', '/first'],
    ['/v1/log/consistency?first=1&second=900000', '/second'],
    ['/v1/log/export?after=-1', '/after'],
    ['/v1/log/export?after=900000', '/after'],
    ['/v1/log/export?format=xml', '/format'],
  ])('says of %s that %s is wrong', async (path, pointer) => {
    const problem = problemIn(await get(path));
    expect(problem).toMatchObject({ status: 400, code: 'invalid-request' });
    expect(problem.errors?.map((error) => error.pointer)).toEqual([pointer]);
  });

  it.each(['head', 'keys', 'inclusion?position=1', 'consistency?first=1', 'export'])(
    'lets no fleet read %s',
    async (path) => {
      expect((await ask(controller.service, 'GET', `/v1/log/${path}`)).status).toBe(403);
    },
  );
});

describe('rule 9: the witness behind a webhook', () => {
  it('is told of each head in order, signed, again after it refused, and can be verified with', async () => {
    const { size } = await sealed();
    const lines = await until('it was told of the newest head', () => {
      const told = deliveries.map(({ data }) => data as { after: number; checkpoint: string });
      return told.some(({ checkpoint }) => parseCheckpoint(checkpoint).size === size) && told;
    });
    expect(refusals).toBeLessThan(0);
    expect(deliveries.every(({ fits }) => fits)).toBe(true);
    expect(lines.map(({ after }) => after)).toEqual(lines.map(({ after }) => after).toSorted((a, b) => a - b));
    writeFileSync(inFolder('told.ndjson'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    const { status, out } = await cli('verify', '--database', database.url, '--witness', inFolder('told.ndjson'));
    expect(out).toContain(`anchored  up to ${size} by the witness`);
    expect(status).toBe(0);
  });
});

describe('rule 9: headgate verify', () => {
  const exported = () => inFolder('log.ndjson');
  const keys = () => inFolder('keys.json');
  const head = () => inFolder('head.txt');

  beforeAll(async () => {
    await sealed();
    expect(await cli('log', 'export', '--out', exported())).toMatchObject({ status: 0 });
    expect(await cli('log', 'keys', '--out', keys())).toMatchObject({ status: 0 });
    expect(await cli('log', 'head', '--out', head())).toMatchObject({ status: 0 });
    expect((await cli('log', 'head')).out).toMatch(/^headgate\.dev\/log\/[0-9a-f]{16}\n\d+\n/);
    expect((await cli('log', 'keys')).out).toMatch(/^1 .*first/m);
  });

  const verify = (...words: readonly string[]) => cli('verify', exported(), '--key', keys(), ...words);

  it('finds an export that fits a head anchored, with nothing but the key and the head', async () => {
    const { status, out } = await verify('--head', head());
    expect(out).toMatch(/^result +not altered, anchored$/m);
    expect(status).toBe(0);
    const json = JSON.parse((await verify('--head', head(), '-o', 'json')).out) as object;
    expect(json).toMatchObject({ verdict: 'anchored', faults: [], unsealedFrom: null });
  });

  it('says that nothing from outside was given', async () => {
    const { status, out } = await verify();
    expect(out).toMatch(/internally consistent, not anchored/);
    expect(out).toMatch(/^unsealed +from 1 on/m);
    expect(status).toBe(9);
  });

  it('names the event that was altered, by the witness, and its range by a head', async () => {
    const altered = inFolder('altered.ndjson');
    const lines = readFileSync(exported(), 'utf8').split('\n');
    writeFileSync(altered, lines.with(2, (lines[2] ?? '').replace('"role":"', '"role":"x')).join('\n'));
    const byWitness = await cli('verify', altered, '--key', keys(), '--witness', witness());
    expect(byWitness.out).toMatch(/^first +event 3: its body is not the one that the witness has the hash of$/m);
    expect(byWitness.status).toBe(8);
    const byHead = await cli('verify', altered, '--key', keys(), '--head', head());
    expect(byHead.out).toMatch(/^first +one of the events 1 to \d+: these events do not lead to the root/m);
    expect(byHead.status).toBe(8);
  });

  it('goes on with an export that was cut off, in the middle of a line', async () => {
    const whole = readFileSync(exported());
    truncateSync(exported(), whole.length - 100);
    const cut = await verify('--head', head());
    expect(cut.status).toBe(8);
    expect(cut.out).toMatch(/The last line has no end/);
    expect((await cli('log', 'export', '--out', exported())).status).toBe(0);
    expect(readFileSync(exported()).subarray(0, whole.length).equals(whole)).toBe(true);
    truncateSync(exported(), whole.length);
  });

  it.each(['csv', 'cloudevents'])('exports %s too, and goes on with it after it was cut off', async (format) => {
    const file = inFolder(`log.${format}`);
    const whole = async (): Promise<string> => (await cli('log', 'export', '--format', format)).out;
    expect(await cli('log', 'export', '--format', format, '--out', file)).toMatchObject({ status: 0 });
    const first = readFileSync(file, 'utf8');
    expect(first).toBe(await whole());
    const { position } = await headNow();
    expect(first.trimEnd().split('\n')).toHaveLength(format === 'csv' ? position + 1 : position);
    for (const end of [first.length - 30, first.length, 20, 0]) {
      truncateSync(file, end);
      expect(await cli('log', 'export', '--format', format, '--out', file)).toMatchObject({ status: 0 });
      expect(readFileSync(file, 'utf8')).toBe(first);
    }
    const other = await cli('log', 'export', '--out', file);
    expect(other.status).toBe(2);
    expect(other.err).toContain('is not an export of the log as ndjson');
  });

  it('exports no secret, nor the hash of one, but in the exact bytes', async () => {
    for (const format of ['csv', 'cloudevents']) {
      const { out } = await cli('log', 'export', '--format', format);
      expect(out).toContain('TokenIssued');
      expect(out).not.toMatch(/hash/);
    }
  });

  it('takes a key on the command line, with or without its name', async () => {
    const { items } = JSON.parse(readFileSync(keys(), 'utf8')) as { items: { publicKey: string }[] };
    const line = items[0]?.publicKey ?? '';
    for (const key of [line, line.split('+').slice(2).join('+')]) {
      const { status } = await cli('verify', exported(), '--key', key, '--head', head());
      expect(status).toBe(0);
    }
  });

  it.each([
    [['verify'], /needs an export or --database/],
    [['verify', 'nothing.ndjson'], /nothing\.ndjson does not exist/],
    [['verify', '--database', 'postgresql://x', '--head', 'nothing.txt'], /cannot be reached|does not exist/],
    [['seal', 'rotate'], /no database is known here/],
    [
      ['log', 'export', '--out', 'no/such/folder/log'],
      /no\/such\/folder\/log cannot be written: ENOENT.*\n.*name a file in/,
    ],
    [
      ['log', 'archive', '--to', '.', '--before', '2999-01-01', '--database', 'postgresql://x'],
      /2999-01-01 is still to come/,
    ],
  ])('%j is told what is wrong', async (words, expected) => {
    const { status, err } = await cli(...words);
    expect(err).toMatch(expected);
    expect(status).not.toBe(0);
  });

  it('says that a folder is no signed head, and that a database without a schema has no log', async () => {
    expect(await cli('verify', exported(), '--head', folder)).toMatchObject({
      status: 2,
      err: expect.stringContaining(`${folder} is no file`) as string,
    });
    const empty = await createEmptyDatabase();
    expect(await cli('verify', '--database', empty.url)).toMatchObject({
      status: 2,
      err: expect.stringMatching(/has no log that this version .* can read[^]*headgate migrate/) as string,
    });
    await empty.drop();
  });

  it('goes on over a rotation of the key, which the controller takes up by itself', async () => {
    const rotated = await cli(
      'seal',
      'rotate',
      '--database',
      database.url,
      '--key-file',
      inFolder('seal-key'),
      '-o',
      'json',
    );
    expect(rotated.status, rotated.err).toBe(0);
    const { id } = JSON.parse(rotated.out) as { id: string };
    await issueToken(controller.admin, 'viewer');
    await until('the new key signs', async () => {
      const { keyId, size, position } = (await headNow()) as Head & { keyId: string };
      return keyId === id && size === position;
    });
    const { status, out } = await cli('verify', '--database', database.url, '--key', keys(), '--witness', witness());
    expect(out).toContain(`by the key ${id}`);
    expect(status, out).toBe(0);
    expect(existsSync(inFolder('seal-key.next'))).toBe(false);
    expect(controller.complaints.filter((line) => !line.includes('HEADGATE_WITNESS_URL'))).toEqual([]);
  });
});
