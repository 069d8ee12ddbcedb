import type { AppConfigClient, DeploymentSummary } from '@aws-sdk/client-appconfig';
import type { AppConfigSettings } from '#libs/contracts';
import { isConflict } from './outcomes.js';

/** So many pages of 50 are looked through for the last deployment of a profile. */
const MOST_PAGES = 40;

const LABEL = /^headgate-([1-9]\d*)$/;
/** The vendor's package. It is loaded with the first call, as most controllers have no target in AppConfig. */
export type AppConfigSdk = typeof import('@aws-sdk/client-appconfig');

const labelOf = (generation: number): string => `headgate-${generation}`;

/** The generation in the label of a version; 0 where it bears none of Headgate's. */
export const generationOf = (label: string | undefined): number => Number(LABEL.exec(label ?? '')?.[1] ?? 0);

export type Deployed = {
  readonly number: number;
  readonly version: string;
  readonly generation: number;
  /** Epoch milliseconds; undefined where it is not said. */
  readonly endedAt: number | undefined;
};

export type Look = {
  /** Number of the newest deployment of the environment, of whatever profile; 0 before the first. */
  readonly latest: number;
  /** What is under way in the environment; it can be of another profile. */
  readonly running: (Deployed & { readonly isOurs: boolean; readonly canStop: boolean }) | undefined;
  /** The last one of the profile that is complete: what readers have. */
  readonly current: Deployed | undefined;
  /** A newer one of the profile that was taken back, by an alarm or a person. */
  readonly takenBack: Deployed | undefined;
};

const RUNNING = new Set(['VALIDATING', 'DEPLOYING', 'BAKING', 'ROLLING_BACK']);

const deployedOf = ({
  DeploymentNumber,
  ConfigurationVersion,
  VersionLabel,
  CompletedAt,
}: DeploymentSummary): Deployed => ({
  number: DeploymentNumber ?? 0,
  version: ConfigurationVersion ?? '',
  generation: generationOf(VersionLabel),
  endedAt: CompletedAt?.getTime(),
});

/** The calls that one target makes. Each of them throws as the vendor's client does. */
export class AppConfigStore {
  /** Newest version that was written from here: it saves listing all of them. */
  #latestVersion: number | undefined;

  constructor(
    private readonly sdk: AppConfigSdk,
    private readonly client: AppConfigClient,
    private readonly settings: AppConfigSettings,
  ) {}

  get #environment() {
    return { ApplicationId: this.settings.application, EnvironmentId: this.settings.environment };
  }

  get #profile() {
    return { ApplicationId: this.settings.application, ConfigurationProfileId: this.settings.profile };
  }

  /** Deployments are listed from the newest on. */
  async look(): Promise<Look> {
    let look: Look = { latest: 0, running: undefined, current: undefined, takenBack: undefined };
    let token: string | undefined;
    for (let page = 0; page < MOST_PAGES; page += 1) {
      const request = { ...this.#environment, ...(token === undefined ? {} : { NextToken: token }) };
      const { Items = [], NextToken } = await this.client.send(new this.sdk.ListDeploymentsCommand(request));
      for (const summary of Items) {
        look = await this.#with(look, summary);
        if (look.current) return look;
      }
      if (NextToken === undefined) return look;
      token = NextToken;
    }
    return look;
  }

  async #with(look: Look, summary: DeploymentSummary): Promise<Look> {
    const deployed = deployedOf(summary);
    const next = { ...look, latest: Math.max(look.latest, deployed.number) };
    const state = summary.State ?? '';
    const isRunning = RUNNING.has(state);
    if (!isRunning && !['COMPLETE', 'ROLLED_BACK', 'REVERTED'].includes(state)) return next;
    const isOurs = (await this.#profileOf(summary)) === this.settings.profile;
    if (isRunning) return { ...next, running: { ...deployed, isOurs, canStop: state !== 'ROLLING_BACK' } };
    if (!isOurs) return next;
    if (state === 'COMPLETE') return { ...next, current: deployed };
    return { ...next, takenBack: next.takenBack ?? deployed };
  }

  /** Older answers do not name the profile. */
  async #profileOf({ ConfigurationProfileId, DeploymentNumber }: DeploymentSummary): Promise<string | undefined> {
    if (ConfigurationProfileId !== undefined) return ConfigurationProfileId;
    const whole = await this.client.send(new this.sdk.GetDeploymentCommand({ ...this.#environment, DeploymentNumber }));
    return whole.ConfigurationProfileId;
  }

  async content(version: string): Promise<string> {
    const request = { ...this.#profile, VersionNumber: Number(version) };
    const { Content } = await this.client.send(new this.sdk.GetHostedConfigurationVersionCommand(request));
    return Buffer.from(Content ?? new Uint8Array()).toString('utf8');
  }

  /**
   * The version that carries this generation; the one of an attempt whose answer was lost, if there is one. A conflict is
   * thrown where somebody else wrote a version meanwhile.
   */
  async versionFor(generation: number, text: string): Promise<string> {
    const label = labelOf(generation);
    const request = { ...this.#profile, VersionLabel: label };
    const { Items = [] } = await this.client.send(new this.sdk.ListHostedConfigurationVersionsCommand(request));
    for (const { VersionNumber } of Items)
      if (VersionNumber !== undefined && (await this.content(String(VersionNumber))) === text)
        return String(VersionNumber);
    const known = this.#latestVersion;
    this.#latestVersion = undefined;
    const create = (latest: number): Promise<string> => this.#createVersion(label, text, latest);
    if (known === undefined) return create(await this.#newestVersion());
    return create(known).catch(async (error: unknown) => {
      if (!isConflict(error)) throw error;
      return create(await this.#newestVersion());
    });
  }

  async #createVersion(label: string, text: string, latest: number): Promise<string> {
    const created = await this.client.send(
      new this.sdk.CreateHostedConfigurationVersionCommand({
        ...this.#profile,
        Content: Buffer.from(text),
        ContentType: 'application/json',
        VersionLabel: label,
        ...(latest === 0 ? {} : { LatestVersionNumber: latest }),
      }),
    );
    this.#latestVersion = created.VersionNumber;
    return String(created.VersionNumber);
  }

  async #newestVersion(): Promise<number> {
    let newest = 0;
    let token: string | undefined;
    do {
      const request = { ...this.#profile, ...(token === undefined ? {} : { NextToken: token }) };
      const { Items = [], NextToken } = await this.client.send(
        new this.sdk.ListHostedConfigurationVersionsCommand(request),
      );
      newest = Math.max(newest, ...Items.map(({ VersionNumber = 0 }) => VersionNumber));
      token = NextToken;
    } while (token !== undefined);
    return newest;
  }

  async stop(number: number): Promise<void> {
    await this.client.send(new this.sdk.StopDeploymentCommand({ ...this.#environment, DeploymentNumber: number }));
  }

  /** Whether a newer generation was deployed before this number. */
  async #isOvertaken(generation: number, number: number): Promise<boolean> {
    const { Items = [] } = await this.client.send(new this.sdk.ListDeploymentsCommand(this.#environment));
    return Items.map(deployedOf).some((each) => each.number < number && each.generation > generation);
  }

  /**
   * Refused as a conflict where another deployment was started since `latest`. The first one of an environment has no
   * number to be compared with: what turns out to have come after a newer generation is taken back. True once it is complete.
   */
  async start(version: string, generation: number, latest: number): Promise<boolean | 'too-late'> {
    const started = await this.client.send(
      new this.sdk.StartDeploymentCommand({
        ...this.#environment,
        ConfigurationProfileId: this.settings.profile,
        ConfigurationVersion: version,
        DeploymentStrategyId: this.settings.strategy,
        Description: `Headgate, generation ${generation}`,
        ...(latest === 0 ? {} : { LatestDeploymentNumber: latest }),
      }),
    );
    const number = started.DeploymentNumber ?? 0;
    if (number > latest + 1 && (await this.#isOvertaken(generation, number))) {
      const request = { ...this.#environment, DeploymentNumber: number, AllowRevert: true };
      await this.client.send(new this.sdk.StopDeploymentCommand(request));
      return 'too-late';
    }
    if (started.State === 'COMPLETE') return true;
    const request = { ...this.#environment, DeploymentNumber: started.DeploymentNumber };
    return (await this.client.send(new this.sdk.GetDeploymentCommand(request))).State === 'COMPLETE';
  }
}
