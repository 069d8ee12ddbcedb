import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli } from '../apps/cli/src/program.js';
import { scriptedTerminal } from '../apps/cli/src/testing/scripted-terminal.js';
import { checkPack, readPack } from '../apps/cli/src/verify/index.js';
import { harmfulRollout } from '#test/kit/harmful-rollout';
import { ask, clientOf, problemIn } from '#test/kit/http';
import { startInProcess, type InProcess } from '#test/kit/in-process';
import { createTestDatabase, type TestDatabase } from '#test/test-database';

let database: TestDatabase;
let controller: InProcess;
let folder: string;
let rollout: string;

/** `online`: with a controller to ask; without one, nothing but the files on this machine. */
const headgate = async (isOnline: boolean, ...args: string[]) => {
  const { url, token = '' } = controller.viewer;
  const env = { HEADGATE_URL: isOnline ? url : 'http://127.0.0.1:1', HEADGATE_TOKEN: token };
  const terminal = scriptedTerminal({ env, cwd: folder });
  const code = await runCli(args, terminal);
  return { code, out: terminal.stdout(), err: terminal.stderr() };
};
const inFolder = (name: string): string => join(folder, name);
const archive = (): string => inFolder('pack.zip');
const unpacked = (): string => inFolder('pack');
const keys = (): string => inFolder('keys.json');
const fileOf = (name: string): string => readFileSync(join(unpacked(), name), 'utf8');
type Body = { readonly position: number; readonly type: string; readonly streamId: string };
const events = (): Body[] =>
  fileOf('events.ndjson')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Body);

const REASON = 'for <script>alert(1)</script> & "others" \u202e';

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'headgate-pack-'));
  database = await createTestDatabase();
  controller = await startInProcess(database.url);
  rollout = await harmfulRollout(controller, undefined, REASON);
  expect(await headgate(true, 'log', 'keys', '--out', keys())).toMatchObject({ code: 0 });
  expect(await headgate(true, 'pack', rollout, '--out', archive())).toMatchObject({ code: 0 });
  expect(await headgate(true, 'pack', 'router.context', '--out', unpacked())).toMatchObject({ code: 0 });
});

afterAll(async () => {
  await controller.stop();
  await database.drop();
  rmSync(folder, { recursive: true, force: true });
});

describe('An evidence pack of a rollout', () => {
  it('is verified offline with nothing but a public key, as an archive and as a folder', async () => {
    for (const pack of [archive(), unpacked()]) {
      const { code, out, err } = await headgate(false, 'verify', pack, '--key', keys());
      expect(err).toBe('');
      expect(out).toMatch(/^result +not altered, proved by the key that you hold$/m);
      expect(out).toMatch(/^proved +\d+ events are in the signed log, byte by byte$/m);
      expect(out).toMatch(/^proved +[1-9]\d* looks are those whose digests the verdicts name$/m);
      expect(out).toMatch(/^proved +[1-9]\d* of \d+ verdicts come out the same/m);
      expect(out).toMatch(/^unproved +that nothing came after/m);
      expect(code).toBe(0);
    }
  });

  it('says that a key that came with it proves nothing by itself', async () => {
    const { code, out } = await headgate(false, 'verify', archive());
    expect(out).toMatch(/^result +consistent, not anchored/m);
    expect(code).toBe(9);
  });

  it('is not believed by the key of another log', async () => {
    const other = readFileSync(new URL('fixtures/other-log.pub', import.meta.url), 'utf8').trim();
    const { code, out } = await headgate(false, 'verify', archive(), '--key', other);
    expect(out).toContain('the key that was given is none of the keys of this log');
    expect(code).toBe(8);
  });

  it('holds the whole stream of the rollout and the revisions of config, plan and signals that it used', async () => {
    const own = await database.pool.query('select 1 from event_store.log where stream_id = $1', [`rollout-${rollout}`]);
    const found = events();
    expect(found.filter(({ streamId }) => streamId === `rollout-${rollout}`)).toHaveLength(own.rowCount ?? Number.NaN);
    const streams = new Set(found.map(({ streamId }) => streamId));
    for (const key of ['router.context', 'plan/three-platforms', 'signal/script-errors', 'signal/wrong-pool'])
      expect(streams).toContain(`config-${key}`);
    expect(readdirSync(unpacked()).toSorted()).toEqual([
      'events.ndjson',
      'head.txt',
      'keys.json',
      'looks.ndjson',
      'manifest.txt',
      'proofs.ndjson',
      'summary.html',
    ]);
  });

  it('has no ids of units or requests in it', async () => {
    const { rows } = await database.pool.query<{ unit: string }>(
      `select distinct unit from evidence.first_bad limit 500`,
    );
    expect(rows.length).toBeGreaterThan(0);
    const all = readdirSync(unpacked()).map(fileOf).join('\n');
    expect(rows.filter(({ unit }) => all.includes(unit))).toEqual([]);
  });

  it('tells the story on one page that runs nothing, loads nothing, and shows text from elsewhere as text', () => {
    const page = fileOf('summary.html');
    expect(page).toContain('It was taken back everywhere.');
    expect(page).toMatch(/on the candidate against .* on control; at least .* times/);
    expect(page).toContain('for &#60;script&#62;alert(1)&#60;/script&#62; &#38; &#34;others&#34; [U+202E]');
    expect(page).not.toMatch(/<script|<img|<link|<iframe|<form|\son\w+=|\ssrc=|\shref=|url\(|@import/i);
    expect(page).toContain("default-src 'none'");
  });

  it('rule 9: no byte of any of its files can be altered unseen', () => {
    const contents = readPack(unpacked());
    expect(checkPack(contents, [keys()]).faults).toEqual([]);
    const unseen: string[] = [];
    for (const [name, bytes] of contents.files) {
      const step = Math.max(1, Math.floor(bytes.length / 60));
      for (let at = 0; at < bytes.length; at += step) {
        const altered = Buffer.from(bytes);
        altered[at] = (altered[at] ?? 0) ^ (1 << (at % 8));
        const files = new Map([...contents.files, [name, altered]]);
        if (checkPack({ ...contents, files }, [keys()]).faults.length === 0) unseen.push(`${name} at ${at}`);
      }
    }
    expect(unseen).toEqual([]);
  });

  it('rule 9: no byte of its archive can be altered unseen, in no header either', async () => {
    const bytes = readFileSync(archive());
    const headers = [
      ...Array.from({ length: 42 }, (_, n) => n),
      ...Array.from({ length: 200 }, (_, n) => bytes.length - 1 - n),
    ];
    const unseen: number[] = [];
    for (const at of headers) {
      const altered = Buffer.from(bytes);
      altered[at] = (altered[at] ?? 0) ^ (1 << (at % 8));
      writeFileSync(inFolder('altered.zip'), altered);
      if (checkPack(readPack(inFolder('altered.zip')), [keys()]).faults.length === 0) unseen.push(at);
    }
    expect(unseen).toEqual([]);
    const { code, out } = await headgate(false, 'verify', inFolder('altered.zip'), '--key', keys());
    expect(out).toMatch(/^altered +/m);
    expect(code).toBe(8);
  });

  it.each(['summary.html', 'looks.ndjson', 'proofs.ndjson'])('names %s where that is missing', async (name) => {
    const files = new Map(readPack(archive()).files);
    files.delete(name);
    expect(checkPack({ files, trouble: undefined }, [keys()]).faults.join()).toContain(name);
  });

  it('is given to viewers, refused to fleets, and names what is not there', async () => {
    const path = `/v1/rollouts/${rollout}/pack`;
    expect((await ask(controller.viewer, 'GET', path)).status).toBe(200);
    expect((await ask(controller.service, 'GET', path)).status).toBe(403);
    const none = await ask(controller.viewer, 'GET', '/v1/rollouts/nonsense/pack');
    expect(problemIn(none)).toMatchObject({ status: 404, code: 'rollout-not-found' });
    await expect(clientOf(controller.viewer).pack('nonsense')).rejects.toThrow('no rollout nonsense');
  });

  it('finds looks that were altered together with the manifest, by the digests that the verdicts name', async () => {
    const files = new Map(readPack(archive()).files);
    const looks = files.get('looks.ndjson')?.toString() ?? '';
    const target = inFolder('forged');
    files.set('looks.ndjson', Buffer.from(looks.replace('\\"candidateBad\\":', '\\"candidateBad\\":1')));
    rmSync(target, { recursive: true, force: true });
    mkdirSync(target);
    for (const [name, bytes] of files) writeFileSync(join(target, name), bytes);
    const { code, out } = await headgate(false, 'verify', target, '--key', keys());
    expect(out).toMatch(/altered +looks\.ndjson: look \d+: its digest does not fit its counts/);
    expect(code).toBe(8);
  });
});
