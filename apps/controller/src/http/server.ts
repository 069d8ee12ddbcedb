import { Module, StandardSchemaValidationPipe, type DynamicModule } from '@nestjs/common';
import { APP_GUARD, NestFactory } from '@nestjs/core';
import { CqrsModule } from '@nestjs/cqrs';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { OpenAPIObject } from '@nestjs/swagger';
import {
  AbandonTargetHandler,
  AddHookHandler,
  ApplyManifestsHandler,
  ChangeHookHandler,
  CommandRunner,
  Conductor,
  Delivery,
  Evidence,
  ExposedUnits,
  IssueTokenHandler,
  LiveView,
  Past,
  PastKeeper,
  ProgressBoard,
  Undelivered,
  RecordExactReadHandler,
  RevokeTokenHandler,
  StartRolloutHandler,
  SteerRolloutHandler,
  UndoRevisionHandler,
} from '#libs/application';
import { Clock, EventStore, LogTree, PackSealer } from '#libs/kernel';
import { ChangeStreams, OfrepEvaluator, PullDriver, RulesetFeed, StreamPasses } from '#libs/platforms';
import { ComparisonIntake, OtlpReceiver, OutcomeIntake } from '#libs/signals';
import type { Core } from '../composition/core.js';
import { TokenChecker } from '../composition/token-checker.js';
import { AuthGuard, checkCallers } from './auth.js';
import { checkBodies } from './body-check.js';
import { ComparisonsController } from './comparisons.controller.js';
import { ConfigsController } from './configs.controller.js';
import { BoardController } from './board.controller.js';
import { consoleFolder, serveConsole } from './console.js';
import { EventStreams } from './event-streams.js';
import { EventsController } from './events.controller.js';
import { EvidenceController } from './evidence.controller.js';
import { ExactReads } from './exact-reads.js';
import { ExposedController } from './exposed.controller.js';
import { FleetController } from './fleet.controller.js';
import { HistoryReader } from './history-reader.js';
import { HookBoard } from './hook-board.js';
import { HooksController } from './hooks.controller.js';
import { HealthController, Readiness } from './health.controller.js';
import { LogController } from './log.controller.js';
import { methodsAt } from './methods.js';
import { describeApi } from './openapi.js';
import { takeOtlp } from './otlp.js';
import { OfrepLimit } from './ofrep-limit.js';
import { OfrepController, STREAM_PATH } from './ofrep.controller.js';
import { OtlpController } from './otlp.controller.js';
import { PastController } from './past.controller.js';
import { invalidRequest } from './problem.js';
import { ProblemFilter } from './problem.filter.js';
import { answerBadAddress, answerClientError, REQUEST_TIMEOUT_MS } from './raw-problems.js';
import { PackController } from './pack.controller.js';
import { RolloutsController } from './rollouts.controller.js';
import { SourceBoard } from './source-board.js';
import { SourcesController } from './sources.controller.js';
import { TokensController } from './tokens.controller.js';
import { WhoAmIController } from './whoami.controller.js';

const MOST_BODY_BYTES = 4 * 1024 * 1024;
/** A request that is under way when the controller stops is answered within this, or cut. */
const GRACE_MS = 3_000;
/** More than headers and address may have together. */
const MOST_PARAMETER = 16_384;
/** How often the server looks for such requests: Node's own 30 s would come on top. */
const REQUEST_CHECK_MS = 1_000;

@Module({})
class HttpModule {
  static with(core: Core, settings: OfrepSettings): DynamicModule {
    const values: readonly (readonly [unknown, unknown])[] = [
      [CommandRunner, core.runner],
      [LiveView, core.view],
      [Conductor, core.conductor],
      [ProgressBoard, core.board],
      [Undelivered, core.undelivered],
      [Evidence, core.evidence],
      [Delivery, core.delivery],
      [PullDriver, core.pull],
      [RulesetFeed, core.feed],
      ...ofrepOf(core, settings),
      [OutcomeIntake, core.intake],
      [ComparisonIntake, core.comparisons],
      [OtlpReceiver, core.otlp],
      [EventStore, core.store],
      [LogTree, core.tree],
      [PackSealer, core.packs],
      [EventStreams, new EventStreams(core.store, core.view, core.tokens, { progress: core.board, hooks: core.hooks })],
      [TokenChecker, core.tokens],
      [ExposedUnits, core.rounds.exposed],
      [ExactReads, new ExactReads(core.rounds.minUnits)],
      [Past, core.past.asked],
      [PastKeeper, core.past.keeper],
      [HistoryReader, new HistoryReader(core.store, core.view, { past: core.past.asked, keeper: core.past.keeper })],
      [Clock, core.clock],
      [SourceBoard, core.sources],
      [HookBoard, core.hooks],
      [Readiness, readinessOf(core)],
    ];
    return {
      module: HttpModule,
      imports: [CqrsModule.forRoot()],
      controllers: [
        EvidenceController,
        PackController,
        ExposedController,
        BoardController,
        RolloutsController,
        ConfigsController,
        EventsController,
        PastController,
        LogController,
        FleetController,
        OfrepController,
        ComparisonsController,
        OtlpController,
        SourcesController,
        TokensController,
        HooksController,
        WhoAmIController,
        HealthController,
      ],
      providers: [
        ...values.map(([provide, useValue]) => ({ provide: provide as never, useValue })),
        { provide: APP_GUARD, useClass: AuthGuard },
        ApplyManifestsHandler,
        StartRolloutHandler,
        SteerRolloutHandler,
        AbandonTargetHandler,
        UndoRevisionHandler,
        IssueTokenHandler,
        RevokeTokenHandler,
        RecordExactReadHandler,
        AddHookHandler,
        ChangeHookHandler,
      ],
    };
  }
}

/** What OFREP needs besides the feed. */
type OfrepSettings = {
  /** Evaluations a second that each token may ask for; 0 for no limit. */
  readonly ofrepRate?: number | undefined;
  /** The longest life of the address of an event stream, in ms. */
  readonly streamLifeMs?: number | undefined;
  /** How often event streams are told that they are alive, in ms. */
  readonly streamBeatMs?: number | undefined;
  /** Event streams at once. */
  readonly mostStreams?: number | undefined;
};

const ofrepOf = (
  { feed, tokens, clock, streamKey }: Core,
  { ofrepRate = 0, streamLifeMs: lifeMs, streamBeatMs: beatMs, mostStreams: most }: OfrepSettings,
): readonly (readonly [unknown, unknown])[] => {
  const now = (): number => clock.now();
  const mayRead = (holder: string): boolean => tokens.stillAllows(holder, 'service');
  return [
    [OfrepEvaluator, new OfrepEvaluator(feed)],
    [StreamPasses, new StreamPasses({ key: streamKey, clock, path: STREAM_PATH, ...(lifeMs ? { lifeMs } : {}) })],
    [
      ChangeStreams,
      new ChangeStreams({ feed, now, mayRead, ...(beatMs ? { beatMs } : {}), ...(most ? { most } : {}) }),
    ],
    [OfrepLimit, new OfrepLimit(ofrepRate, now)],
  ];
};

const progressOf = ({ past, view }: Core): { readonly progress?: readonly string[] } => {
  const { progress } = past.remaker;
  if (progress === undefined) return {};
  const far = `up to event ${progress} of ${view.position}`;
  return { progress: [`past: made anew ${far}; questions about it are answered from what there was`] };
};

const readinessOf = (core: Core): Readiness => ({
  check: async () => {
    const stopped = core
      .readers()
      .filter(({ state }) => state !== 'running')
      .map(({ name, error }) => `${name}: ${error ?? 'stopped'}`);
    const trouble = await core.database.check();
    const reasons = [...stopped, ...(trouble === undefined ? [] : [`database: ${trouble.message}`])];
    const { message } = core.tree.sealing();
    const unreadable = await core.store.unreadable();
    const warnings = [
      ...(message === undefined ? [] : [`seal: ${message}`]),
      ...unreadable.map((why) => `archive: ${why}`),
    ];
    return { ready: reasons.length === 0, reasons, ...(warnings.length > 0 && { warnings }), ...progressOf(core) };
  },
});

export type HttpServer = {
  readonly url: string;
  readonly close: () => Promise<void>;
  readonly openApi: () => OpenAPIObject;
};

/** Serves the HTTP API of a running core. */
export const startHttp = async (
  core: Core,
  host: string,
  port: number,
  { otlpMostBytes = 64 * 1024 * 1024, ...settings }: OfrepSettings & { readonly otlpMostBytes?: number } = {},
): Promise<HttpServer> => {
  const adapter = new FastifyAdapter({
    bodyLimit: MOST_BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    http: { headersTimeout: REQUEST_TIMEOUT_MS, connectionsCheckingInterval: REQUEST_CHECK_MS },
    // A HEAD of an event stream would be a stream that nobody reads.
    exposeHeadRoutes: false,
    // Names are checked where they are read; what is too long is then not found like any other.
    routerOptions: { maxParamLength: MOST_PARAMETER },
    frameworkErrors: answerBadAddress,
    clientErrorHandler: answerClientError,
  });
  const app = await NestFactory.create<NestFastifyApplication>(HttpModule.with(core, settings), adapter, {
    logger: false,
    abortOnError: false,
    // Fastify reads JSON by itself; nothing else is taken but what exporters send.
    bodyParser: false,
  });
  const server = adapter.getInstance();
  server.removeContentTypeParser('text/plain');
  takeOtlp(server, otlpMostBytes);
  checkCallers(server, { tokens: core.tokens, view: core.view }, MOST_BODY_BYTES);
  checkBodies(server);
  app.useGlobalPipes(new StandardSchemaValidationPipe({ exceptionFactory: (issues) => invalidRequest(issues) }));
  let document: OpenAPIObject | undefined;
  const openApi = (): OpenAPIObject => (document ??= describeApi(app));
  app.useGlobalFilters(new ProblemFilter(core.log, core.database, (path) => methodsAt(openApi(), path)));
  server.get('/openapi.json', (_request, reply) => void reply.send(openApi()));
  serveConsole(server, consoleFolder());
  await app.listen(port, host);
  return {
    url: (await app.getUrl()).replace('[::1]', '127.0.0.1'),
    close: async () => {
      app.get(EventStreams).close();
      app.get(ChangeStreams).close();
      const hurry = setTimeout(() => server.server.closeAllConnections(), GRACE_MS);
      const idle = setInterval(() => server.server.closeIdleConnections(), 50);
      try {
        await app.close();
      } finally {
        clearTimeout(hurry);
        clearInterval(idle);
      }
    },
    openApi,
  };
};
