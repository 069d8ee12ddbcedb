import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { loadConfig } from '../apps/controller/src/config.js';
import { readText } from './docs/markdown.js';

const dockerfile = readText('docker/Dockerfile').replaceAll(/\\\n\s*/g, '');
const lines = dockerfile.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
const argumentsOf = (instruction: string): string[][] =>
  lines.filter((line) => line.startsWith(`${instruction} `)).map((line) => line.split(/\s+/).slice(1));

const copied = argumentsOf('COPY')
  .filter(([first = '']) => !first.startsWith('--from='))
  .flatMap((words) => words.slice(0, -1));
const environment = Object.fromEntries(
  argumentsOf('ENV')
    .flat()
    .map((pair) => pair.split('=') as [string, string]),
);

const Compose = z.object({
  services: z.record(
    z.string(),
    z.object({
      image: z.string(),
      build: z.object({ context: z.string(), dockerfile: z.string() }).optional(),
      environment: z.record(z.string(), z.string()),
      ports: z.array(z.string()).default([]),
      volumes: z.array(z.string()).default([]),
      depends_on: z.record(z.string(), z.object({ condition: z.string() })).default({}),
      healthcheck: z.object({ test: z.array(z.string()) }).optional(),
    }),
  ),
  volumes: z.record(z.string(), z.null()),
});
const compose = Compose.parse(parse(readText('docker/compose.yaml'), { merge: true }));
const controllers = Object.entries(compose.services).filter(([, { build }]) => build !== undefined);

describe('the container image', () => {
  it('copies only what is there and what is let into the build', () => {
    const letIn = readText('docker/Dockerfile.dockerignore').split('\n');
    for (const path of copied) {
      expect(existsSync(path), path).toBe(true);
      expect(letIn, path).toContain(`!${path.split('/')[0]}`);
    }
  });

  it('takes from stages that it has, and from Node as the project names it', () => {
    const stages = argumentsOf('FROM').map(([image, , name]) => ({ image, name }));
    const version = readText('.nvmrc').trim();
    for (const { image } of stages) expect(image).toBe(`node:${version}-bookworm-slim`);
    const from = argumentsOf('COPY').flatMap(([first = '']) => /^--from=(.+)$/.exec(first)?.[1] ?? []);
    expect(stages.map(({ name }) => name)).toEqual(expect.arrayContaining(from));
  });

  it('runs what npm start runs, not as root, and says whether it is ready', () => {
    const { scripts } = JSON.parse(readText('package.json')) as { scripts: { start: string } };
    const command = JSON.parse(lines.at(-1)?.replace('CMD ', '') ?? '[]') as string[];
    expect(scripts.start).toContain(command.join(' '));
    expect(argumentsOf('USER')).toEqual([['node']]);
    expect(dockerfile).toMatch(/^HEALTHCHECK .*\/readyz/m);
  });

  it('sets only variables that the controller knows', () => {
    const { NODE_ENV, ...ours } = environment;
    expect(NODE_ENV).toBe('production');
    const set = loadConfig(ours);
    expect(set).toMatchObject({ host: '0.0.0.0', dataDir: '/var/lib/headgate' });
    const source = readText('apps/controller/src/config.ts');
    for (const name of Object.keys(ours)) expect(source).toContain(`  ${name}: `);
  });
});

describe('the composition for trying out', () => {
  it('has one PostgreSQL and two controllers on it, built from this repository', () => {
    expect(controllers).toHaveLength(2);
    expect(compose.services['postgres']?.image).toBe('postgres:18');
    for (const [, { build, environment: env, depends_on: needs }] of controllers) {
      expect(existsSync(`docker/${build?.context}/${build?.dockerfile}`)).toBe(true);
      expect(loadConfig(env).databaseUrl).toMatch(/@postgres:5432\//);
      expect(needs['postgres']?.condition).toBe('service_healthy');
    }
    expect(compose.services['postgres']?.healthcheck).toBeDefined();
  });

  it('names volumes that it declares, and gives each port of this machine once, to this machine only', () => {
    const services = Object.values(compose.services);
    const used = services.flatMap(({ volumes }) => volumes.map((volume) => volume.split(':')[0]));
    expect(Object.keys(compose.volumes)).toEqual(expect.arrayContaining(used));
    const published = services.flatMap(({ ports }) => ports);
    const outer = published.map((port) => port.split(':').slice(0, 2).join(':'));
    expect(new Set(outer).size).toBe(outer.length);
    for (const port of outer) expect(port).toMatch(/^127\.0\.0\.1:/);
  });
});
