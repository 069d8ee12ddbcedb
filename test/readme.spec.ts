import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { parseAllDocuments } from 'yaml';
import {
  Acknowledgement,
  ComparisonBatch,
  HookEventData,
  Manifest,
  OutcomeBatch,
  OutcomeReceipt,
} from '#libs/contracts';
import { FaultScript } from '#libs/emulators';
import { Invocation } from '../apps/cli/src/invocation.js';
import { buildProgram } from '../apps/cli/src/program.js';
import { scriptedTerminal } from '../apps/cli/src/testing/scripted-terminal.js';
import { anchorsOf, documents, fencesOf, linksOf, readText, type Fence } from './docs/markdown.js';
import { commandsOf, curlOf, innerCommandsOf, type ShellCommand } from './docs/shell.js';

const { scripts } = JSON.parse(readText('package.json')) as { scripts: Readonly<Record<string, string>> };
const openApi = JSON.parse(readText('docs/reference/openapi.json')) as {
  paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
};

const fences = documents().flatMap(fencesOf);
const shellBlocks = fences.filter(({ language }) => language === 'sh');
const commands = shellBlocks
  .flatMap(({ text }) => commandsOf(text))
  .flatMap((command) => [command, ...innerCommandsOf(command)]);

/** What a cloud's console takes: `test/docs/deliver.spec.ts` holds it to what the drivers ask for. */
const VENDORS = ['AppConfigPolicy', 'ParameterManagerRole', 'VertexRole'];

const subcommand = (command: Command, name: string | undefined): Command | undefined =>
  command.commands.find((candidate) => candidate.name() === name);

/** Why the command line would not take these words; undefined when it would. */
const faultOfVerb = (words: readonly string[]): string | undefined => {
  let command = buildProgram(new Invocation(scriptedTerminal()));
  let rest = [...words];
  for (let next = subcommand(command, rest[0]); next; next = subcommand(command, rest[0])) {
    command = next;
    rest = rest.slice(1);
  }
  if (command.parent === null) return `there is no verb ${rest[0] ?? ''}`;
  const known = [...command.options, ...(command.parent.options ?? []), ...(command.parent.parent?.options ?? [])];
  const operands: string[] = [];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (!word.startsWith('-') || word === '-') {
      operands.push(word);
      continue;
    }
    const option = known.find(({ short, long }) => word === short || word === long);
    if (!option) return `${command.name()} has no option ${word}`;
    if (option.required) {
      const value = rest.shift();
      if (value === undefined) return `${word} needs a value`;
      if (option.argChoices && !option.argChoices.includes(value)) return `${word} cannot be ${value}`;
    }
  }
  const { registeredArguments: wanted } = command;
  const least = wanted.filter(({ required }) => required).length;
  const most = wanted.some(({ variadic }) => variadic) ? Number.POSITIVE_INFINITY : wanted.length;
  return operands.length < least || operands.length > most
    ? `${command.name()} does not take ${operands.length} arguments`
    : undefined;
};

const faultOfNpm = ([verb, ...rest]: readonly string[]): string | undefined => {
  if (verb === 'ci') return undefined;
  const words = verb === 'run' ? rest.filter((word) => word !== '-s') : [verb ?? '', ...rest];
  const [script = '', ...more] = words;
  if (scripts[script] === undefined) return `package.json has no script ${script}`;
  return script === 'headgate' ? faultOfVerb(more.filter((word) => word !== '--')) : undefined;
};

const matchesRoute = (route: string, path: string): boolean =>
  new RegExp(`^${route.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(path);

const faultOfCurl = (command: ShellCommand): string | undefined => {
  const { method, url } = curlOf(command);
  const path = url.replace('$HEADGATE_URL', '').replace(/\?.*/, '');
  if (['/healthz', '/readyz', '/openapi.json'].includes(path)) return undefined;
  const known = Object.entries(openApi.paths).some(
    ([route, methods]) => matchesRoute(route, path) && methods[method.toLowerCase()] !== undefined,
  );
  return known ? undefined : `the API has no ${method} ${path}`;
};

const faultOfDocker = (words: readonly string[]): string | undefined => {
  const file = words[words.indexOf('-f') + 1] ?? '';
  return existsSync(file) ? undefined : `there is no file ${file}`;
};

/** What is built from sources that are there, with files that are there. */
const faultOfNode = (words: readonly string[]): string | undefined => {
  const files = words.map((word) => word.replace(/^dist\/(.*)\.js$/, '$1.ts'));
  const missing = files.find((file) => file.includes('/') && !existsSync(file));
  return missing === undefined ? undefined : `there is no file ${missing}`;
};

const faultOf = (command: ShellCommand): string | undefined => {
  const [program, ...rest] = command.words;
  switch (program) {
    case 'npm':
      return faultOfNpm(rest);
    case 'npx':
      return rest[0] === 'headgate' ? faultOfVerb(rest.slice(1)) : `npx ${rest[0] ?? ''} is not known here`;
    case 'curl':
      return faultOfCurl(command);
    case 'node':
      return faultOfNode(rest);
    case 'docker':
      return faultOfDocker(rest);
    case 'tar':
      return rest[0] === '-czf' && rest.length === 3 ? undefined : 'this is not how these documents pack a folder';
    case undefined:
    case 'cat':
    case 'cut':
    case 'grep':
    case 'psql':
      return command.text.includes('.headgate/postgres/')
        ? undefined
        : 'only start.system.spec.ts executes such commands';
    default:
      return `${program} is not a command that these documents use`;
  }
};

/** Of OpenTelemetry's messages only the outermost part: docs.integration.spec.ts sends what is shown. */
const ExportMetricsServiceRequest = z.strictObject({ resourceMetrics: z.array(z.object({})).min(1) });
/** What every event that is sent has; relay.integration.spec.ts reads it with the official library. */
const CloudEvent = z.looseObject({ specversion: z.literal('1.0'), data: HookEventData });
const SCHEMAS = {
  Acknowledgement,
  ComparisonBatch,
  CloudEvent,
  ExportMetricsServiceRequest,
  FaultScript,
  OutcomeBatch,
  OutcomeReceipt,
};
const isSchema = (name: string): name is keyof typeof SCHEMAS => name in SCHEMAS;

const manifestsIn = ({ text }: Fence): unknown[] => parseAllDocuments(text).map((document): unknown => document.toJS());

describe('the documents', () => {
  it('name only commands that exist, with options that they take', () => {
    const faults = commands.flatMap((command) => {
      const fault = faultOf(command);
      return fault === undefined ? [] : [`${command.text}: ${fault}`];
    });
    expect(commands.length).toBeGreaterThan(20);
    expect(faults).toEqual([]);
  });

  it('link only to files and headings that exist', () => {
    const broken = documents()
      .flatMap(linksOf)
      .filter(({ file, target }) => {
        const [path = '', anchor] = target.split('#');
        const linked = path === '' ? file : join(dirname(file), path);
        return !existsSync(linked) || (anchor !== undefined && !anchorsOf(linked).includes(anchor));
      });
    expect(broken).toEqual([]);
  });

  it('show manifests that would be accepted', () => {
    const shown = fences.filter(({ language, text }) => language === 'yaml' && text.includes('apiVersion:'));
    const faults = shown.flatMap((fence) =>
      manifestsIn(fence).flatMap((manifest) => {
        const { error } = Manifest.safeParse(manifest);
        return error ? [`${fence.file}:${fence.line}: ${error.message}`] : [];
      }),
    );
    expect(shown.length).toBeGreaterThan(0);
    expect(faults).toEqual([]);
  });

  it('show bodies that fit the schemas they are said to have', () => {
    const shown = fences.filter(({ language, note }) => language === 'json' && note !== '' && !VENDORS.includes(note));
    for (const { file, line, note, text } of shown) {
      if (!isSchema(note)) throw new Error(`${file}:${line}: there is no schema ${note}.`);
      const result = SCHEMAS[note].safeParse(JSON.parse(text));
      expect(result.error, `${file}:${line}`).toBeUndefined();
    }
    expect(shown.map(({ note }) => note)).toEqual(expect.arrayContaining(['OutcomeBatch', 'OutcomeReceipt']));
  });

  it('give every variable of the environment, and no other', () => {
    const rows = [...readText('docs/reference/settings.md').matchAll(/^\| `([A-Z_]+)`/gm)].map(([, name]) => name);
    const source = readFileSync('apps/controller/src/config.ts', 'utf8');
    const known = [...source.matchAll(/^ {2}([A-Z][A-Z_]+): /gm)].map(([, name]) => name);
    expect(rows.toSorted()).toEqual(known.toSorted());
  });

  it('explain the words of the glossary in alphabetical order, each once', () => {
    for (const section of readText('docs/glossary.md').split('\n## ')) {
      const words = [...section.matchAll(/^- \*\*(.+?)\*\*: .+\.$/gm)].map(([, word = '']) => word.toLowerCase());
      expect(words).toHaveLength([...section.matchAll(/^- /gm)].length);
      expect(words).toEqual([...new Set(words)].toSorted((a, b) => a.localeCompare(b, 'en')));
    }
  });

  it('number each decision once', () => {
    const numbers = documents().flatMap((file) => /docs\/adr\/(\d{4})-/.exec(file)?.[1] ?? []);
    expect(numbers.length).toBeGreaterThan(5);
    expect(new Set(numbers).size).toBe(numbers.length);
  });
});

describe('the check of the documents', () => {
  it.each([
    ['a script that is gone', 'npm run gone'],
    ['a verb that is gone', 'npm run -s headgate -- vanish router.context'],
    ['an option that the verb does not have', 'npm run -s headgate -- plan router.context --colour red'],
    ['an argument that is missing', 'npx headgate start --plan careful'],
    ['a route that is gone', 'curl -f -X POST $HEADGATE_URL/v1/gone'],
    ['a route with another method', 'curl -f -X DELETE $HEADGATE_URL/v1/outcomes'],
    ['a file that is not there', 'docker compose -f docker/gone.yaml up'],
    ['a program that is gone', 'node dist/apps/gone/src/main.js'],
    ['a scenario that is gone', 'node dist/apps/simulator/src/main.js docs/examples/gone.yaml'],
    ['an archive that is unpacked, not made', 'tar -xzf backup.tar.gz .headgate'],
    ['a command that nobody knows', 'npm ci && make all'],
  ])('finds %s', (_, line) => {
    expect(commandsOf(line).map(faultOf)).toContainEqual(expect.any(String));
  });
});
