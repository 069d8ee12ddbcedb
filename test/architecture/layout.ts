/** What the files under a path may import. The longest path that fits a file decides. */
export type Area = {
  readonly under: string;
  /** Libs of this project, each through its index. */
  readonly libs: readonly string[];
  /** Single names of further libs, where a lib as a whole is out of bounds. */
  readonly names?: Readonly<Record<string, readonly string[]>>;
  /** Packages and built-in modules; `node:*` stands for all of Node, `any` for whatever package.json declares. */
  readonly packages: readonly string[] | 'any';
  /** Folders that may be reached by relative paths besides the area's own app or lib. */
  readonly reaches?: readonly string[];
  /** It is built into files of its own, so what it uses has to be there for the build only. */
  readonly bundled?: true;
  /** No clock, no chance, no input or output: the same input gives the same output. */
  readonly pure?: true;
};

/** One import that leaves its app or lib by a relative path, and why it may. */
export type Exception = { readonly from: string; readonly to: string; readonly why: string };

export type Layout = { readonly areas: readonly Area[]; readonly exceptions: readonly Exception[] };

const ADAPTERS = ['event-store', 'hooks', 'platforms', 'postgres', 'signals'];
const CORE = ['application', 'contracts', 'kernel'];

/** How values and questions travel to PostgreSQL, many at once or all or none: the same for whoever writes or asks much. */
const WIRE_FORMS = { postgres: ['Together', 'inTransaction', 'int4Array', 'textArray'] };

const PURE: readonly Area[] = [
  { under: 'libs/kernel/', libs: [], packages: [], pure: true },
  { under: 'libs/statistics/', libs: ['kernel'], packages: [], pure: true },
  {
    under: 'libs/domain/',
    libs: ['kernel', 'statistics'],
    packages: ['zod', 'ajv', 're2js', 'imurmurhash'],
    pure: true,
  },
  { under: 'libs/contracts/', libs: ['kernel'], packages: ['zod'], pure: true },
];

const INNER: readonly Area[] = [
  {
    under: 'libs/application/',
    libs: ['domain', 'contracts', 'kernel', 'statistics'],
    packages: ['@nestjs/common', '@nestjs/cqrs', '@opentelemetry/api', 'canonicalize', 'node:crypto', 'node:vm'],
  },
  {
    under: 'libs/event-store/',
    libs: ['kernel'],
    names: WIRE_FORMS,
    packages: [
      'canonicalize',
      'kysely',
      'pg',
      'node:buffer',
      'node:crypto',
      // The signing key, the witness and bodies of old events are kept outside the database.
      'node:fs',
      'node:fs/promises',
      'node:module',
      'node:readline',
      'node:path',
      'node:timers/promises',
      // Packs are archives.
      'node:zlib',
    ],
  },
  {
    under: 'libs/signals/src/sources/',
    libs: ['kernel', 'contracts'],
    packages: ['@aws-sdk/client-cloudwatch', 'google-auth-library', 'pg', 'zod'],
  },
  { under: 'libs/emulators/', libs: [], packages: ['zod', 'node:http', 'node:net', 'node:zlib'] },
  {
    under: 'libs/signals/',
    libs: ['kernel', 'contracts'],
    names: WIRE_FORMS,
    packages: ['kysely', 'pg', 'protobufjs', 'zod', 'node:crypto'],
  },
  {
    under: 'libs/platforms/',
    libs: ['kernel', 'contracts'],
    packages: [
      '@aws-sdk/client-appconfig',
      '@grpc/grpc-js',
      '@openfeature/core',
      '@openfeature/flagd-core',
      'google-auth-library',
      'node:crypto',
    ],
  },
  {
    under: 'libs/hooks/',
    libs: ['kernel', 'contracts'],
    // Requests are made by node:http, which asks before it connects to an address, and the key is outside the database.
    packages: ['pg', 'zod', 'node:crypto', 'node:dns', 'node:fs', 'node:http', 'node:https', 'node:net', 'node:path'],
  },
  { under: 'libs/postgres/', libs: ['kernel'], packages: ['kysely', 'pg', 'node:*'] },
  { under: 'libs/testing/', libs: ['contracts', 'domain', 'kernel', 'postgres', 'statistics'], packages: 'any' },
];

const APPS: readonly Area[] = [
  { under: 'apps/controller/src/', libs: CORE, packages: 'any' },
  { under: 'apps/controller/src/composition/', libs: [...CORE, 'domain', ...ADAPTERS], packages: 'any' },
  { under: 'apps/controller/src/controller.ts', libs: [...CORE, ...ADAPTERS], packages: 'any' },
  {
    under: 'apps/controller/src/http/',
    libs: CORE,
    // Routes of the fleets hand these calls straight on. They are abstract, or made by composition/, or free of state.
    names: {
      platforms: [
        'ChangeStreams',
        'OfrepEvaluator',
        'OfrepResponse',
        'PullDriver',
        'RulesetFeed',
        'RulesetResponse',
        'StreamPasses',
        'arrivalOf',
        'rulesetResponse',
      ],
      signals: [
        'AlteredLookError',
        'ComparisonIntake',
        'IntakeBusyError',
        'IntakeClosedError',
        'MalformedOtlpError',
        'OutcomeIntake',
        'encodeAnswer',
        'encodeStatus',
        'Format',
        'OtlpReceiver',
        'Refusals',
      ],
    },
    packages: 'any',
  },
  {
    under: 'apps/cli/src/',
    libs: ['contracts'],
    packages: ['cli-table3', 'commander', 'eventsource-parser', 'picocolors', 'yaml', 'zod', 'node:*'],
  },
  {
    // It needs no controller: the emulator runs in the process of the command.
    under: 'apps/cli/src/commands/emulator.ts',
    libs: ['emulators'],
    packages: ['commander', 'node:*'],
  },
  {
    // A replay needs no controller: it runs the deciders and the gate itself.
    under: 'apps/cli/src/replay/',
    libs: ['contracts', 'domain'],
    packages: ['cli-table3', 'picocolors', 'yaml', 'zod', 'node:*'],
  },
  {
    // Verdicts are computed again by whoever doubts them, not by the controller that made them.
    under: 'apps/cli/src/recompute/',
    libs: ['contracts', 'domain'],
    packages: ['node:crypto'],
  },
  {
    // A log is verified by whoever doubts it, on an export or on the database, without a controller.
    under: 'apps/cli/src/verify/',
    libs: ['contracts', 'event-store', 'kernel', 'postgres'],
    packages: ['pg', 'node:*'],
  },
  {
    // A user of the HTTP API like the command line, in a browser.
    under: 'apps/console/src/',
    libs: ['contracts'],
    packages: [
      '@mantine/core',
      '@tanstack/react-query',
      '@tanstack/react-router',
      'eventsource-parser',
      'react',
      'react-dom',
      'uplot',
    ],
    bundled: true,
  },
  {
    under: 'apps/simulator/src/',
    libs: ['contracts'],
    packages: [
      // Fleets that read from AppConfig do it as AWS' own clients do.
      '@aws-sdk/client-appconfig',
      '@aws-sdk/client-appconfigdata',
      '@openfeature/flagd-provider',
      '@openfeature/server-sdk',
      'cli-table3',
      'yaml',
      'zod',
      'node:*',
    ],
  },
  {
    under: 'test/',
    libs: [...CORE, 'domain', 'emulators', 'statistics', 'testing', ...ADAPTERS],
    packages: 'any',
    reaches: ['apps/'],
  },
];

/** Which way the arrows point. Whoever adds a lib adds a line here. */
export const LAYOUT: Layout = {
  areas: [...PURE, ...INNER, ...APPS],
  exceptions: [
    {
      from: 'test/global-setup.ts',
      to: 'libs/postgres/src/index.ts',
      why: 'It runs before the condition that leads #libs to the sources applies.',
    },
    {
      from: 'apps/simulator/src/demo',
      to: 'apps/cli/src/client.ts',
      why: 'The demo is a user of the HTTP API like the command line, through the same client.',
    },
    {
      from: 'apps/simulator/src/demo',
      to: 'apps/cli/src/follow.ts',
      why: 'The demo follows the events like the command line, through the same client.',
    },
    {
      from: 'apps/simulator/src/demo',
      to: 'apps/cli/src/wrap.ts',
      why: 'The demo lays out lines and tables for a terminal like the command line.',
    },
    {
      from: 'apps/simulator/src/demo',
      to: 'apps/cli/src/look.ts',
      why: 'The demo lays out lines and tables for a terminal like the command line.',
    },
  ],
};
