import { dirname, join } from 'node:path/posix';
import { findCycles } from './cycles.js';
import type { Area, Layout } from './layout.js';
import { importsOf, type Import } from './source.js';

export const RULES = [
  'unknown-area',
  'lib-not-allowed',
  'name-not-allowed',
  'package-not-allowed',
  'package-not-declared',
  'deep-import',
  'own-index',
  'leaves-its-folder',
  'product-imports-test',
  'not-resolved',
  'import-cycle',
] as const;

export type Violation = {
  readonly rule: (typeof RULES)[number];
  readonly file: string;
  readonly line: number;
  readonly specifier: string;
  /** The whole story in one line: file, import, what is wrong and what to do. */
  readonly message: string;
};

/** The project as paths with their text, the rules, and what package.json declares. */
export type Project = {
  readonly files: ReadonlyMap<string, string>;
  readonly layout: Layout;
  readonly dependencies: ReadonlySet<string>;
  readonly devDependencies: ReadonlySet<string>;
};

type Place = { readonly file: string; readonly area: Area; readonly isTest: boolean; readonly project: Project };
type Finding = { readonly rule: Violation['rule']; readonly problem: string };

const TEST_CODE = /\.spec\.ts$|\.spec-support\.ts$|\/spec-kit\.ts$|\/src\/testing\/|^test\/|^libs\/testing\//;

/** Libs that specs may use wherever they are. */
const FOR_SPECS = ['emulators', 'postgres', 'testing'];

/** `libs/kernel`, `apps/cli` or `test`: what a relative path must not leave. */
const unitOf = (file: string): string => (file.startsWith('test/') ? 'test' : file.split('/').slice(0, 2).join('/'));

const packageOf = (specifier: string): string =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');

const areaOf = (file: string, { areas }: Layout): Area | undefined =>
  areas.filter(({ under }) => file.startsWith(under)).toSorted((a, b) => b.under.length - a.under.length)[0];

/** The file that an import of this project means; undefined for packages. It may not exist. */
const resolve = (from: string, specifier: string, files: Project['files']): string | undefined => {
  const lib = /^#libs\/([^/]+)$/.exec(specifier)?.[1];
  if (lib !== undefined) return `libs/${lib}/src/index.ts`;
  if (specifier.startsWith('#test/')) return `test/${specifier.slice('#test/'.length)}.ts`;
  if (!specifier.startsWith('.')) return undefined;
  const path = join(dirname(from), specifier);
  if (!path.endsWith('.js')) return path;
  const source = path.replace(/\.js$/, '.ts');
  return !files.has(source) && files.has(`${source}x`) ? `${source}x` : source;
};

const listed = (names: readonly string[]): string => (names.length === 0 ? 'nothing' : names.join(', '));

const judgeLib = (place: Place, { specifier, names }: Import): Finding | undefined => {
  const { area, isTest } = place;
  const [, lib = '', rest] = /^#libs\/([^/]+)(\/.*)?$/.exec(specifier) ?? [];
  if (rest !== undefined)
    return { rule: 'deep-import', problem: `import #libs/${lib}; what is missing there belongs into its index.ts` };
  if (unitOf(place.file) === `libs/${lib}`)
    return { rule: 'own-index', problem: 'import the file itself by a relative path; the index is for others' };
  if (area.libs.includes(lib) || (isTest && FOR_SPECS.includes(lib))) return undefined;
  const allowedNames = area.names?.[lib];
  if (allowedNames === undefined)
    return { rule: 'lib-not-allowed', problem: `${area.under} may import of our libs: ${listed(area.libs)}` };
  const wrong = names.find((name) => !allowedNames.includes(name));
  return wrong === undefined
    ? undefined
    : {
        rule: 'name-not-allowed',
        problem: `of #libs/${lib}, ${area.under} may import only ${listed(allowedNames)}, not ${wrong}`,
      };
};

const isDeclared = ({ project, isTest, area }: Place, name: string, { typeOnly }: Import): boolean =>
  // Types are gone after compilation, so one that comes with a declared package is enough.
  typeOnly ||
  project.dependencies.has(name) ||
  ((isTest || area.bundled === true) && project.devDependencies.has(name));

const judgePackage = (place: Place, imported: Import): Finding | undefined => {
  const { area, isTest } = place;
  const { specifier } = imported;
  const builtIn = specifier.startsWith('node:');
  const name = builtIn ? specifier : packageOf(specifier);
  const allowed = area.packages;
  const fits = allowed === 'any' || isTest || allowed.includes(name) || (builtIn && allowed.includes('node:*'));
  if (!fits) {
    const why =
      area.pure === true ? `${area.under} is pure and may import of packages` : `${area.under} may import of packages`;
    return { rule: 'package-not-allowed', problem: `${why}: ${listed(allowed)}` };
  }
  if (builtIn || isDeclared(place, name, imported)) return undefined;
  const where = isTest ? 'package.json' : 'the dependencies of package.json';
  return { rule: 'package-not-declared', problem: `add ${name} to ${where}` };
};

const judgeRelative = (place: Place, target: string): Finding | undefined => {
  const { file, area, isTest, project } = place;
  if (!project.files.has(target)) {
    return { rule: 'not-resolved', problem: `there is no file ${target}; imports end in .js (or .json)` };
  }
  if (!isTest && TEST_CODE.test(target))
    return { rule: 'product-imports-test', problem: `${target} is test code: move what the product needs out of it` };
  if (unitOf(file) === unitOf(target) || area.reaches?.some((folder) => target.startsWith(folder))) return undefined;
  const { exceptions } = project.layout;
  if (exceptions.some(({ from, to }) => file.startsWith(from) && target === to)) return undefined;
  const advice = target.startsWith('libs/') ? `import #libs/${target.split('/')[1] ?? ''}` : 'share it through a lib';
  return { rule: 'leaves-its-folder', problem: `${target} belongs to ${unitOf(target)}: ${advice}` };
};

const judgeImport = (place: Place, imported: Import): readonly Finding[] => {
  const { specifier } = imported;
  const target = resolve(place.file, specifier, place.project.files);
  const findings: (Finding | undefined)[] = [];
  if (specifier === '') {
    findings.push({ rule: 'not-resolved', problem: 'write the name out: a computed import cannot be checked' });
  } else if (specifier.startsWith('#libs/')) {
    findings.push(judgeLib(place, imported));
    if (target !== undefined && !place.project.files.has(target))
      findings.push({ rule: 'not-resolved', problem: `there is no file ${target}` });
  } else if (target === undefined) {
    findings.push(judgePackage(place, imported));
  } else if (specifier.startsWith('#test/') && place.isTest) {
    if (!place.project.files.has(target))
      findings.push({ rule: 'not-resolved', problem: `there is no file ${target}` });
  } else {
    findings.push(judgeRelative(place, target));
  }
  return findings.filter((finding) => finding !== undefined);
};

const violation = (
  rule: Violation['rule'],
  file: string,
  line: number,
  specifier: string,
  problem: string,
): Violation => ({
  rule,
  file,
  line,
  specifier,
  message: `${file}:${line} imports "${specifier}": ${problem} [${rule}]`,
});

const cyclesOf = (graph: ReadonlyMap<string, readonly string[]>): readonly Violation[] =>
  findCycles(graph).map((cycle) => {
    const [first = '', second = ''] = cycle;
    return violation(
      'import-cycle',
      first,
      1,
      second,
      `these files import each other in a circle: ${cycle.join(' → ')}`,
    );
  });

/** Everything in the project that goes against its layout, in the order of the files. */
export const check = (project: Project): readonly Violation[] => {
  const found: Violation[] = [];
  const graph = new Map<string, readonly string[]>();
  for (const [file, text] of project.files) {
    if (!/\.tsx?$/.test(file)) continue;
    const area = areaOf(file, project.layout);
    if (!area) {
      const problem = 'no area of test/architecture/layout.ts covers it: say there what it may import';
      found.push({ ...violation('unknown-area', file, 1, '', problem), message: `${file}: ${problem} [unknown-area]` });
      continue;
    }
    const place: Place = { file, area, isTest: TEST_CODE.test(file), project };
    const imports = importsOf(file, text);
    for (const imported of imports) {
      for (const { rule, problem } of judgeImport(place, imported))
        found.push(violation(rule, file, imported.line, imported.specifier, problem));
    }
    const targets = imports.flatMap(({ specifier }) => resolve(file, specifier, project.files) ?? []);
    graph.set(file, [...new Set(targets)]);
  }
  return [...found, ...cyclesOf(graph)];
};
