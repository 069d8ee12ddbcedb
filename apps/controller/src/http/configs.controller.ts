import { Body, Controller, Get, HttpCode, Param, Post, Req } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ApiBearerAuth, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import {
  appliedPlanLimits,
  appliedRoomLimits,
  ApplyManifestsCommand,
  configView,
  Delivery,
  LiveView,
  newTargetWarnings,
  planWarnings,
  signalWarnings,
  targetView,
  Undelivered,
} from '#libs/application';
import {
  API_VERSION,
  ApplyRequest,
  ApplyResult,
  ConfigView,
  LATER_KINDS,
  Manifest,
  ManifestHead,
  TargetView,
} from '#libs/contracts';
import type { JsonObject } from '#libs/kernel';
import { Needs, type Caller } from './auth.js';
import { accepted, contextOf } from './command-context.js';
import { invalidRequest, ProblemError } from './problem.js';

type Read = { readonly raw: JsonObject; readonly parsed: Manifest };

const KINDS = ['Config', 'Signal', 'Plan', 'Source', 'Target'];

const readManifest = (raw: JsonObject, index: number): Read => {
  const kind = String(raw['kind']);
  const at = `/manifests/${index}`;
  if ((LATER_KINDS as readonly string[]).includes(kind)) {
    throw new ProblemError(
      'not-supported-yet',
      `Manifests of kind ${kind} are not supported yet: leave it out for now.`,
      [{ pointer: `${at}/kind`, detail: 'not supported yet' }],
    );
  }
  if (!KINDS.includes(kind)) {
    const begins = ManifestHead.safeParse(raw);
    const others = begins.success ? [] : invalidRequest(begins.error.issues, at).errors;
    const more = others.map(({ pointer, detail }) => ` ${pointer}: ${detail}.`).join('');
    const given = raw['kind'] === undefined ? 'no kind' : `kind ${kind}`;
    throw new ProblemError(
      'invalid-request',
      `Manifest ${index + 1} has ${given}: use ${KINDS.join(', ')} and apiVersion ${API_VERSION}.${more}`,
      [{ pointer: `${at}/kind`, detail: `one of ${KINDS.join(', ')}` }, ...others],
    );
  }
  const result = Manifest.safeParse(raw);
  if (!result.success) throw invalidRequest(result.error.issues, at);
  return { raw, parsed: result.data };
};

const refuseTwice = (manifests: readonly Read[]): void => {
  const seen = new Set<string>();
  for (const [index, { parsed }] of manifests.entries()) {
    const name = `${parsed.kind} ${parsed.metadata.name}`;
    if (seen.has(name)) {
      throw new ProblemError('invalid-request', `${name} is given twice: keep one of them.`, [
        { pointer: `/manifests/${index}/metadata/name`, detail: 'given twice' },
      ]);
    }
    seen.add(name);
  }
};

const ConfigList = z.object({ items: z.array(ConfigView) }).meta({ id: 'ConfigList' });
const TargetList = z.object({ items: z.array(TargetView) }).meta({ id: 'TargetList' });

@ApiTags('configuration')
@ApiBearerAuth()
@Controller('v1')
export class ConfigsController {
  constructor(
    private readonly commands: CommandBus,
    private readonly view: LiveView,
    private readonly delivery: Delivery,
    private readonly undelivered: Undelivered,
  ) {}

  /** Applies manifests, all or none. Applying the same again changes nothing. */
  @Post('manifests')
  @HttpCode(200)
  @Needs('operator')
  @ApiOkResponse({ standardSchema: ApplyResult })
  async apply(
    @Body({ schema: ApplyRequest }) body: z.output<typeof ApplyRequest>,
    @Req() request: Caller,
  ): Promise<ApplyResult> {
    const manifests = body.manifests.map((raw, index) => readManifest(raw as JsonObject, index));
    refuseTwice(manifests);
    const parsed = manifests.map((manifest) => manifest.parsed);
    const limit = appliedPlanLimits(this.view, parsed) ?? appliedRoomLimits(this.view, parsed);
    if (limit) throw ProblemError.of(limit);
    const context = contextOf(request, body, body.reason);
    const { outcome, lastPosition } = accepted(
      await this.commands.execute(new ApplyManifestsCommand(manifests, body.dryRun, context)),
    );
    await this.view.caughtUpWith(lastPosition);
    const applied = ApplyResult.parse({ dryRun: body.dryRun, results: outcome['results'] });
    const gaps = { Plan: planWarnings(this.view, parsed), Signal: signalWarnings(this.view, parsed) };
    const results = applied.results.map((result) => {
      const { kind, name, action } = result;
      const found =
        kind === 'Target' && action === 'created'
          ? newTargetWarnings(this.view, name)
          : kind === 'Plan' || kind === 'Signal'
            ? gaps[kind].get(name)
            : undefined;
      return found !== undefined && found.length > 0
        ? { ...result, warnings: found.map(({ field, message }) => ({ pointer: field, detail: message })) }
        : result;
    });
    return { ...applied, results };
  }

  @Get('configs')
  @Needs('viewer')
  @ApiOkResponse({ standardSchema: ConfigList })
  list(): z.output<typeof ConfigList> {
    return { items: [...this.view.fleet.configs.keys()].toSorted().flatMap((key) => configView(this.view, key) ?? []) };
  }

  @Get('configs/:key')
  @Needs('viewer')
  @ApiOkResponse({ standardSchema: ConfigView })
  read(@Param('key') key: string): ConfigView {
    const config = configView(this.view, key);
    if (!config) throw new ProblemError('config-not-found', `There is no config ${key}. Apply its manifest first.`);
    return config;
  }

  @Get('targets')
  @Needs('viewer')
  @ApiOkResponse({ standardSchema: TargetList })
  async targets(): Promise<z.output<typeof TargetList>> {
    const failing = await this.undelivered.all();
    const views = await Promise.all(
      [...this.view.fleet.targets.keys()]
        .toSorted()
        .map((name) => targetView(this.view, this.delivery, name, failing.get(name))),
    );
    return { items: views.flatMap((target) => target ?? []) };
  }

  @Get('targets/:target')
  @Needs('viewer')
  @ApiOkResponse({ standardSchema: TargetView })
  async target(@Param('target') name: string): Promise<TargetView> {
    const failing = await this.undelivered.all();
    const target = await targetView(this.view, this.delivery, name, failing.get(name));
    if (!target) throw new ProblemError('target-not-found', `There is no target ${name}. Apply its manifest first.`);
    return target;
  }
}
