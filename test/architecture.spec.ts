import { describe, expect, it } from 'vitest';
import { check, RULES, type Project, type Violation } from './architecture/check.js';
import { LAYOUT } from './architecture/layout.js';
import { readProject } from './architecture/project.js';
import { importsOf } from './architecture/source.js';

const project = readProject(process.cwd());
const messages = (violations: readonly Violation[]): string[] => violations.map(({ message }) => message);

/** The project, with one file more. */
const planted = (file: string, text: string, more: Readonly<Record<string, string>> = {}): Project => ({
  ...project,
  files: new Map([...project.files, [file, text], ...Object.entries(more)]),
});

type Plant = {
  readonly what: string;
  readonly rule: Violation['rule'];
  readonly file: string;
  readonly text: string;
  readonly more?: Readonly<Record<string, string>>;
};

const PLANTS: readonly Plant[] = [
  {
    what: 'a lib that nobody has given a place',
    rule: 'unknown-area',
    file: 'libs/surprise/src/index.ts',
    text: 'export const surprise = 1;',
  },
  {
    what: 'the domain reading the contracts of the outside',
    rule: 'lib-not-allowed',
    file: 'libs/domain/src/planted.ts',
    text: "import { Name } from '#libs/contracts';\nexport const planted = Name;",
  },
  {
    what: 'an adapter named outside of composition',
    rule: 'lib-not-allowed',
    file: 'apps/controller/src/planted.ts',
    text: "import type { PostgresEventStore } from '#libs/event-store';\nexport type Planted = PostgresEventStore;",
  },
  {
    what: 'a re-export of a forbidden lib',
    rule: 'lib-not-allowed',
    file: 'libs/signals/src/planted.ts',
    text: "export * from '#libs/platforms';",
  },
  {
    what: 'a forbidden lib that is imported when it is needed',
    rule: 'lib-not-allowed',
    file: 'libs/platforms/src/planted.ts',
    text: "export const planted = async (): Promise<unknown> => import('#libs/signals');",
  },
  {
    what: 'a forbidden lib that is only a type within an expression',
    rule: 'lib-not-allowed',
    file: 'libs/kernel/src/planted.ts',
    text: "export type Planted = import('#libs/domain').Rollout;",
  },
  {
    what: 'an HTTP route that makes its own intake',
    rule: 'name-not-allowed',
    file: 'apps/controller/src/http/planted.ts',
    text: "import { GroupCommitIntake } from '#libs/signals';\nexport const planted = GroupCommitIntake;",
  },
  {
    what: 'input and output in a pure lib',
    rule: 'package-not-allowed',
    file: 'libs/statistics/src/planted.ts',
    text: "import { readFileSync } from 'node:fs';\nexport const planted = readFileSync;",
  },
  {
    what: 'a framework in the domain',
    rule: 'package-not-allowed',
    file: 'libs/domain/src/planted.ts',
    text: "import { Injectable } from '@nestjs/common';\nexport const planted = Injectable;",
  },
  {
    what: 'a page of the console that decides by itself',
    rule: 'lib-not-allowed',
    file: 'apps/console/src/planted.tsx',
    text: "import { isOver } from '#libs/domain';\nexport const Planted = () => <b>{String(isOver)}</b>;",
  },
  {
    what: 'a package that the console has not agreed to',
    rule: 'package-not-allowed',
    file: 'apps/console/src/planted.tsx',
    text: "import { z } from 'zod';\nexport const Planted = () => <b>{typeof z}</b>;",
  },
  {
    what: 'a package required by way of createRequire',
    rule: 'package-not-allowed',
    file: 'libs/platforms/src/planted.ts',
    text: "import { createHash } from 'node:crypto';\nexport const planted = [createHash, require('pg')];",
  },
  {
    what: 'a package that is only there for tests',
    rule: 'package-not-declared',
    file: 'apps/controller/src/planted.ts',
    text: "import { test } from 'fast-check';\nexport const planted = test;",
  },
  {
    what: 'an import past the index of a lib',
    rule: 'deep-import',
    file: 'libs/application/src/planted.ts',
    text: "import { judge } from '#libs/domain/gate/judge';\nexport const planted = judge;",
  },
  {
    what: 'a lib that imports its own index',
    rule: 'own-index',
    file: 'libs/kernel/src/planted.ts',
    text: "import type { Json } from '#libs/kernel';\nexport type Planted = Json;",
  },
  {
    what: 'a relative path into another lib',
    rule: 'leaves-its-folder',
    file: 'libs/application/src/planted.ts',
    text: "import { judge } from '../../domain/src/gate/judge.js';\nexport const planted = judge;",
  },
  {
    what: 'one app reaching into another',
    rule: 'leaves-its-folder',
    file: 'apps/cli/src/planted.ts',
    text: "import { loadConfig } from '../../controller/src/config.js';\nexport const planted = loadConfig;",
  },
  {
    what: 'a product file that uses what is there for tests',
    rule: 'product-imports-test',
    file: 'apps/controller/src/planted.ts',
    text: "import { createTestDatabase } from '#test/test-database';\nexport const planted = createTestDatabase;",
  },
  {
    what: 'an import of a file that is not there',
    rule: 'not-resolved',
    file: 'libs/kernel/src/planted.ts',
    text: "export * from './gone.js';",
  },
  {
    what: 'an import whose name is computed',
    rule: 'not-resolved',
    file: 'apps/cli/src/planted.ts',
    text: 'export const planted = async (name: string): Promise<unknown> => import(name);',
  },
  {
    what: 'two files that import each other',
    rule: 'import-cycle',
    file: 'libs/kernel/src/planted.ts',
    text: "export { other } from './other.js';",
    more: { 'libs/kernel/src/other.ts': "import './planted.js';\nexport const other = 1;" },
  },
];

/** Arrows that the design forbids, by name, so that a slip of the table itself is found. */
const FORBIDDEN: readonly (readonly [from: string, to: readonly string[]])[] = [
  [
    'libs/kernel',
    ['statistics', 'domain', 'contracts', 'application', 'event-store', 'signals', 'platforms', 'postgres'],
  ],
  ['libs/statistics', ['domain', 'contracts', 'application', 'event-store', 'signals', 'platforms', 'postgres']],
  ['libs/domain', ['contracts', 'application', 'event-store', 'signals', 'platforms', 'postgres', 'testing']],
  ['libs/contracts', ['statistics', 'domain', 'application', 'event-store', 'signals', 'platforms', 'postgres']],
  ['libs/application', ['event-store', 'signals', 'platforms', 'postgres', 'testing']],
  ['libs/event-store', ['domain', 'application', 'contracts', 'signals', 'platforms', 'statistics']],
  ['libs/signals', ['domain', 'application', 'event-store', 'platforms', 'statistics']],
  ['libs/platforms', ['domain', 'application', 'event-store', 'signals', 'statistics']],
  ['libs/postgres', ['domain', 'application', 'event-store', 'signals', 'platforms']],
  ['apps/cli', ['domain', 'application', 'event-store', 'signals', 'platforms', 'postgres']],
  ['apps/simulator', ['domain', 'application', 'event-store', 'signals', 'platforms', 'postgres', 'statistics']],
  ['apps/controller', ['event-store', 'signals', 'platforms', 'postgres', 'testing']],
  ['apps/controller/src/http', ['event-store', 'postgres', 'domain', 'testing']],
];

describe('the shape of the project', () => {
  it('has its arrows point down only, its libs entered by their index, and no circles', () => {
    expect(messages(check(project))).toEqual([]);
  });

  it('has a stated reason for each import that may leave its folder, and uses each', () => {
    for (const exception of LAYOUT.exceptions) {
      const without = LAYOUT.exceptions.filter((other) => other !== exception);
      const found = check({ ...project, layout: { ...LAYOUT, exceptions: without } });
      expect(found.map(({ rule }) => rule)).toContain('leaves-its-folder');
      expect(exception.why).not.toBe('');
    }
  });
});

describe('the check of that shape', () => {
  it.each(PLANTS)('finds $what', ({ rule, file, text, more }) => {
    const found = check(planted(file, text, more));
    expect(found.map((violation) => violation.rule)).toEqual([rule]);
    const [violation] = found;
    expect(violation?.message).toContain(violation?.file);
    expect(violation?.message).toContain(`[${rule}]`);
  });

  it('is probed for each of its rules', () => {
    expect(new Set(PLANTS.map(({ rule }) => rule))).toEqual(new Set(RULES));
  });

  it.each(FORBIDDEN)('keeps %s away from %j', (from, libs) => {
    const folder = from.split('/').length > 2 ? from : `${from}/src`;
    const file = `${folder}/planted.ts`;
    for (const lib of libs) {
      const text = `import { planted as other } from '#libs/${lib}';\nexport const planted = other;`;
      const alone = {
        ...project,
        files: new Map([
          [`libs/${lib}/src/index.ts`, ''],
          [file, text],
        ]),
      };
      expect(check(alone).map((violation) => violation.rule)).toContain('lib-not-allowed');
    }
  });

  it('names file, line, import, remedy and rule', () => {
    const [violation] = check(planted('libs/kernel/src/planted.ts', "\n\nimport 'node:fs';"));
    expect(violation?.message).toBe(
      'libs/kernel/src/planted.ts:3 imports "node:fs": libs/kernel/ is pure and may import of packages: nothing [package-not-allowed]',
    );
  });

  it('is not taken in by comments, texts and patterns that look like imports', () => {
    const text = [
      "// import { a } from '#libs/domain';",
      "/* export * from 'node:fs'; */",
      'const quote = /[\'"`]/; const said = "import x from \'pg\'";',
      "const template = `${quote.source} import y from 'pg'`;",
      "import { type B, type C } from './real.js';",
      'export const all = { said, template };',
    ].join('\n');
    expect(importsOf('planted.ts', text)).toEqual([
      { specifier: './real.js', line: 5, typeOnly: true, names: ['B', 'C'] },
    ]);
  });
});
