import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, extname, join } from 'node:path';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ProblemError } from './problem.js';

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
};

/** Encodings that the build made beside a file, the smallest first. */
const ENCODINGS = [
  ['br', '.br'],
  ['gzip', '.gz'],
] as const;

/** Where the build of the console lies, from sources and from the build alike; it may not be there. */
export const consoleFolder = (): string => {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'package.json')) && dirname(folder) !== folder) folder = dirname(folder);
  return join(folder, 'dist/apps/console');
};

/** Nothing from elsewhere, no script but ours, no frame around it. The nonce is for the rules of colours that React writes. */
const policyOf = (nonce: string): string =>
  [
    "default-src 'none'",
    "script-src 'self'",
    `style-src 'self' 'nonce-${nonce}'`,
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');

const COMMON = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
};

type Asset = { readonly type: string; readonly path: string };

const assetsIn = (folder: string): ReadonlyMap<string, Asset> => {
  const names = existsSync(join(folder, 'assets')) ? readdirSync(join(folder, 'assets')) : [];
  return new Map(
    names
      .filter((name) => TYPES[extname(name)] !== undefined)
      .map((name) => [name, { type: TYPES[extname(name)] ?? '', path: join(folder, 'assets', name) }]),
  );
};

const sendAsset = (request: FastifyRequest, reply: FastifyReply, { path, type }: Asset): void => {
  const accepted = String(request.headers['accept-encoding'] ?? '');
  const [encoding, suffix] = ENCODINGS.find(([name, end]) => accepted.includes(name) && existsSync(path + end)) ?? [
    undefined,
    '',
  ];
  if (encoding !== undefined) void reply.header('content-encoding', encoding);
  void reply
    .headers({ ...COMMON, vary: 'accept-encoding', 'cache-control': 'public, max-age=31536000, immutable' })
    .type(type)
    .send(readFileSync(path + suffix));
};

/** The page with a nonce of its own for each answer; it is never kept, so that a new build is seen at once. */
const sendPage = (reply: FastifyReply, page: string): void => {
  const nonce = randomBytes(16).toString('base64');
  void reply
    .headers({ ...COMMON, 'content-security-policy': policyOf(nonce), 'cache-control': 'no-cache' })
    .type('text/html; charset=utf-8')
    .send(page.replaceAll('{nonce}', nonce));
};

const notBuilt = (): ProblemError =>
  new ProblemError('not-found', 'The web console is not built here: npm run build:console, then start again.');

/**
 * Serves the web console under /ui: every path there is a page of it, but a file that is missing in /ui/assets is missing.
 * Without a build there is nothing but the advice to make one.
 */
export const serveConsole = (server: FastifyInstance, folder: string): void => {
  const index = join(folder, 'index.html');
  const page = existsSync(index) ? readFileSync(index, 'utf8') : undefined;
  const assets = assetsIn(folder);
  server.get('/', (_request, reply) => void reply.redirect('/ui/'));
  server.get('/ui', (_request, reply) => void reply.redirect('/ui/'));
  server.get<{ readonly Params: { readonly '*': string } }>('/ui/*', (request, reply) => {
    const path = request.params['*'];
    if (page === undefined) return sendProblem(request, reply, notBuilt());
    if (!path.startsWith('assets/')) return sendPage(reply, page);
    const asset = assets.get(path.slice('assets/'.length));
    if (asset) return sendAsset(request, reply, asset);
    return sendProblem(
      request,
      reply,
      new ProblemError('not-found', 'The console has no such file: load the page again.'),
    );
  });
};

const sendProblem = (request: FastifyRequest, reply: FastifyReply, problem: ProblemError): void =>
  void reply
    .status(problem.status)
    .type('application/problem+json')
    .send(JSON.stringify(problem.toProblem(request.url.split('?')[0] ?? '')));
