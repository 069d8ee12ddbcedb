import { Refusal } from '../wire.js';

const MINUTE_MS = 60_000;
/** A deployment that is complete may be reverted for so long. */
const REVERT_MS = 72 * 60 * MINUTE_MS;
const MOST_BYTES = 2 * 1024 * 1024;
const MOST = { applications: 100, strategies: 20, profiles: 100, environments: 20 };

export type Strategy = {
  readonly Id: string;
  readonly Name: string;
  readonly DeploymentDurationInMinutes: number;
  readonly GrowthType: string;
  readonly GrowthFactor: number;
  readonly FinalBakeTimeInMinutes: number;
};
export type Version = {
  readonly number: number;
  readonly content: string;
  readonly contentType: string;
  readonly label: string | undefined;
  readonly description: string | undefined;
};
type Stopped = { readonly at: number; readonly as: 'ROLLED_BACK' | 'REVERTED' };
export type Deployment = {
  readonly number: number;
  readonly profile: string;
  readonly version: Version;
  readonly strategy: Strategy;
  readonly startedAt: number;
  stopped: Stopped | undefined;
};
type Environment = { readonly id: string; readonly name: string; readonly deployments: Deployment[] };
export type Profile = { readonly id: string; readonly name: string; readonly versions: Version[] };
type Application = {
  readonly id: string;
  readonly name: string;
  readonly environments: Map<string, Environment>;
  readonly profiles: Map<string, Profile>;
};

const PREDEFINED: Strategy = {
  Id: 'AppConfig.AllAtOnce',
  Name: 'AppConfig.AllAtOnce',
  DeploymentDurationInMinutes: 0,
  GrowthType: 'LINEAR',
  GrowthFactor: 100,
  FinalBakeTimeInMinutes: 10,
};

const found = <T>(thing: T | undefined, what: string, id: string): T => {
  if (thing === undefined) throw new Refusal('ResourceNotFoundException', `There is no ${what} ${id}.`);
  return thing;
};

/** What AppConfig holds: applications, environments, profiles, versions, deployments. Time comes from `now`. */
export class AppConfigState {
  readonly #applications = new Map<string, Application>();
  readonly #strategies = new Map<string, Strategy>([[PREDEFINED.Id, PREDEFINED]]);
  #ids = 0;

  constructor(
    private readonly now: () => number,
    /** How long a deployment without a duration takes, and a rollback of one, in ms. */
    private readonly deployMs: () => number,
  ) {}

  #nextId(): string {
    this.#ids += 1;
    return this.#ids.toString(36).padStart(7, 'a');
  }

  createApplication(name: string): { readonly id: string; readonly name: string } {
    if (this.#applications.size >= MOST.applications)
      throw new Refusal('ServiceQuotaExceededException', `There are ${MOST.applications} applications already.`);
    const created = { id: this.#nextId(), name, environments: new Map(), profiles: new Map() };
    this.#applications.set(created.id, created);
    return created;
  }

  createEnvironment(application: string, name: string): Environment {
    const { environments } = this.application(application);
    if (environments.size >= MOST.environments)
      throw new Refusal('ServiceQuotaExceededException', `There are ${MOST.environments} environments already.`);
    const created: Environment = { id: this.#nextId(), name, deployments: [] };
    environments.set(created.id, created);
    return created;
  }

  createProfile(application: string, name: string): Profile {
    const { profiles } = this.application(application);
    if (profiles.size >= MOST.profiles)
      throw new Refusal('ServiceQuotaExceededException', `There are ${MOST.profiles} profiles already.`);
    const created: Profile = { id: this.#nextId(), name, versions: [] };
    profiles.set(created.id, created);
    return created;
  }

  createStrategy(strategy: Omit<Strategy, 'Id'>): Strategy {
    if (this.#strategies.size > MOST.strategies)
      throw new Refusal('ServiceQuotaExceededException', `There are ${MOST.strategies} strategies already.`);
    const created = { ...strategy, Id: this.#nextId() };
    this.#strategies.set(created.Id, created);
    return created;
  }

  /** By id; readers may give the name as well. */
  application(id: string): Application {
    const named = [...this.#applications.values()].find(({ name }) => name === id);
    return found(this.#applications.get(id) ?? named, 'application', id);
  }

  environment(application: string, id: string): Environment {
    const { environments } = this.application(application);
    return found(environments.get(id) ?? [...environments.values()].find(({ name }) => name === id), 'environment', id);
  }

  profile(application: string, id: string): Profile {
    const { profiles } = this.application(application);
    return found(profiles.get(id) ?? [...profiles.values()].find(({ name }) => name === id), 'profile', id);
  }

  /** Compare-and-set on the newest version where the caller names one. */
  createVersion(
    application: string,
    profile: string,
    given: Omit<Version, 'number'>,
    latest: number | undefined,
  ): Version {
    const { versions } = this.profile(application, profile);
    if (Buffer.byteLength(given.content) > MOST_BYTES)
      throw new Refusal('PayloadTooLargeException', 'The configuration is larger than 2 MB.');
    if (given.label !== undefined && !/[^0-9]/.test(given.label))
      throw new Refusal('BadRequestException', 'A version label needs one character that is no digit.');
    if (latest !== undefined && latest !== versions.length)
      throw new Refusal('ConflictException', `The latest version is ${versions.length}, not ${latest}.`);
    const version = { ...given, number: versions.length + 1 };
    versions.push(version);
    return version;
  }

  version(application: string, profile: string, number: string): Version {
    const { versions } = this.profile(application, profile);
    return found(
      versions.find((each) => String(each.number) === number || each.label === number),
      'version',
      number,
    );
  }

  stateOf(deployment: Deployment): string {
    const { strategy, startedAt, stopped } = deployment;
    const passed = this.now() - startedAt;
    if (stopped) return this.now() - stopped.at >= this.deployMs() ? stopped.as : 'ROLLING_BACK';
    const growsMs = Math.max(this.deployMs(), strategy.DeploymentDurationInMinutes * MINUTE_MS);
    if (passed < growsMs) return 'DEPLOYING';
    return passed < growsMs + strategy.FinalBakeTimeInMinutes * MINUTE_MS ? 'BAKING' : 'COMPLETE';
  }

  #isRunning(deployment: Deployment): boolean {
    return ['DEPLOYING', 'BAKING', 'ROLLING_BACK'].includes(this.stateOf(deployment));
  }

  /** One at a time in each environment; compare-and-set on the newest number where the caller names one. */
  start(
    where: { readonly application: string; readonly environment: string },
    what: { readonly profile: string; readonly version: string; readonly strategy: string },
    latest: number | undefined,
  ): Deployment {
    const { deployments } = this.environment(where.application, where.environment);
    const strategy = found(this.#strategies.get(what.strategy), 'deployment strategy', what.strategy);
    const profile = this.profile(where.application, what.profile);
    const version = this.version(where.application, what.profile, what.version);
    const running = deployments.find((each) => this.#isRunning(each));
    if (running)
      throw new Refusal('ConflictException', `Deployment ${running.number} of this environment is under way.`);
    if (latest !== undefined && latest !== deployments.length)
      throw new Refusal('ConflictException', `The latest deployment is ${deployments.length}, not ${latest}.`);
    const number = deployments.length + 1;
    const started = { number, profile: profile.id, version, strategy, startedAt: this.now(), stopped: undefined };
    deployments.push(started);
    return started;
  }

  deployment(application: string, environment: string, number: string): Deployment {
    const { deployments } = this.environment(application, environment);
    return found(
      deployments.find((each) => String(each.number) === number),
      'deployment',
      number,
    );
  }

  /** What runs is rolled back; what is complete is reverted, if that is allowed and not longer ago than 72 hours. */
  stop(application: string, environment: string, number: string, allowsRevert: boolean): Deployment {
    const deployment = this.deployment(application, environment, number);
    const state = this.stateOf(deployment);
    if (state === 'DEPLOYING' || state === 'BAKING') {
      deployment.stopped = { at: this.now(), as: 'ROLLED_BACK' };
      return deployment;
    }
    if (state !== 'COMPLETE' || !allowsRevert || this.now() - deployment.startedAt > REVERT_MS)
      throw new Refusal('BadRequestException', `Deployment ${number} is ${state} and can not be stopped.`);
    deployment.stopped = { at: this.now(), as: 'REVERTED' };
    return deployment;
  }

  /** What readers are given; undefined before the first deployment. */
  served(application: string, environment: string, profile: string): Version | undefined {
    const { deployments } = this.environment(application, environment);
    const { id } = this.profile(application, profile);
    return deployments.findLast((each) => each.profile === id && ['COMPLETE', 'BAKING'].includes(this.stateOf(each)))
      ?.version;
  }
}
