import { createHash, hash } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  canonicalJson,
  checkpointText,
  Frontier,
  headsSource,
  LogVerifier,
  leafHash,
  newSigner,
  parseCheckpoint,
  signNote,
  type Signer,
} from '#libs/event-store';
import { verifyExport } from '../../apps/cli/src/verify/export-file.js';
import { sampleEvent } from './append.js';
import type { Bench, BenchContext, Figures } from './harness.js';
import { ratioOf, summarise, takeTurns } from './harness.js';

const LINE_FEED = 10;
const PER_STREAM = 20;
const LINES = 1_000;

/** An export as `headgate log export` writes it, and the head over it. */
const writeExport = (path: string, total: number, signer: Signer) => {
  const frontier = new Frontier();
  const file = openSync(path, 'w');
  for (let from = 0; from < total; from += LINES) {
    const bodies = Array.from({ length: Math.min(LINES, total - from) }, (_, n) => bodyOf(from + n));
    for (const body of bodies) frontier.append(leafHash(body));
    writeSync(file, bodies.map((body) => `${body}\n`).join(''));
  }
  closeSync(file);
  const head = { origin: signer.name, size: total, root: frontier.root(), signedAt: '2026-11-22T10:00:01.000Z' };
  return { ...parseCheckpoint(signNote(checkpointText(head), signer)), from: 'the head', outside: true };
};

const bodyOf = (n: number): string =>
  canonicalJson({
    ...sampleEvent(n),
    position: n + 1,
    recordedAt: '2026-11-22T10:00:00.000Z',
    streamId: `rollout-0198f0c0-7d7a-7000-8000-${String(Math.floor(n / PER_STREAM)).padStart(12, '0')}`,
    streamVersion: (n % PER_STREAM) + 1,
  });

/** Places where lines begin, so that finding them is no part of the floor. */
const startsOf = (bytes: Buffer, total: number): Uint32Array => {
  const starts = new Uint32Array(total + 1);
  for (let line = 1; line <= total; line += 1) starts[line] = bytes.indexOf(LINE_FEED, starts[line - 1]) + 1;
  return starts;
};

/** Events for each second that one core worked: what other programs take of the machine does not count. */
const perCoreSecond = async (total: number, work: () => Promise<void> | void): Promise<number> => {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (total * 1e6) / (user + system);
};

const measure = async (context: BenchContext): Promise<Figures> => {
  const total = context.quick ? 50_000 : 300_000;
  const rounds = context.quick ? 5 : 9;
  const folder = mkdtempSync(join(tmpdir(), 'headgate-verify-'));
  try {
    const signer = newSigner('headgate.dev/log/bench');
    const path = join(folder, 'log.ndjson');
    const head = writeExport(path, total, signer);
    const bytes = readFileSync(path);
    const starts = startsOf(bytes, total);
    const line = (n: number): Buffer => bytes.subarray(starts[n], (starts[n + 1] ?? 0) - 1);
    const ours = async (): Promise<void> => {
      const verifier = new LogVerifier({ keys: [signer], chain: [], sources: [headsSource([head])], thorough: false });
      await verifyExport(path, verifier, () => undefined);
      const { verdict, events } = await verifier.finish();
      if (verdict !== 'anchored' || events !== total) throw new Error(`The export was found ${verdict}.`);
    };
    const bare = (): void => {
      for (let n = 0; n < total; n += 1) hash('sha256', line(n), 'hex');
    };
    const streamed = (): void => {
      for (let n = 0; n < total; n += 1) createHash('sha256').update(line(n)).digest();
    };
    context.say(
      `  ${total} events of ${Math.round(bytes.length / total)} bytes, ${rounds} rounds, in time of one core`,
    );
    const sides = {
      ours: () => perCoreSecond(total, ours),
      bare: () => perCoreSecond(total, bare),
      streamed: () => perCoreSecond(total, streamed),
    };
    for (const warmUp of Object.values(sides)) await warmUp();
    return figuresOf(context, total, await takeTurns(rounds, sides));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

type Sides = Readonly<Record<'ours' | 'bare' | 'streamed', readonly number[]>>;

const figuresOf = (context: BenchContext, events: number, measured: Sides): Figures => {
  const [ours, bare, streamed] = [measured.ours, measured.bare, measured.streamed].map(summarise);
  const ratio = ratioOf(measured.ours, measured.bare);
  const ratioStreamed = ratioOf(measured.ours, measured.streamed);
  context.say(`  verified, from the file                      ${ours?.median} events/s (spread ${ours?.spread})`);
  context.say(`  bare SHA-256 of each body, in one call       ${bare?.median} events/s (spread ${bare?.spread})`);
  context.say(
    `  bare SHA-256 of each body, by createHash     ${streamed?.median} events/s (spread ${streamed?.spread})`,
  );
  return {
    ratio: ratio.median,
    spread: ratio.spread,
    ratioStreamed: ratioStreamed.median,
    events,
    eventsPerCoreSecond: { ours, bare, streamed },
  };
};

export const verify: Bench = {
  measures:
    'offline verification of an export: read, canonical form, positions, stream versions, leaves, tree, signed head; against bare SHA-256 of the same bodies in memory',
  quick: '50,000 events instead of 300,000, 5 rounds instead of 9',
  musts: [{ key: 'ratio', atLeast: 0.4 }],
  run: measure,
};
