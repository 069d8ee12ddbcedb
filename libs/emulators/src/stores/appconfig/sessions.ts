import { json, Refusal, type StoreAnswer } from '../wire.js';
import type { AppConfigState } from './state.js';

/** A token is good for so long, and for one call. */
const TOKEN_MS = 24 * 3_600_000;
const DEFAULT_POLL_SECONDS = 60;

type Wanted = {
  readonly application: string;
  readonly environment: string;
  readonly profile: string;
  readonly leastSeconds: number;
};
type Session = Wanted & { seen: number | undefined; readAt: number | undefined };

/** Sessions of AppConfig Data: each call uses up its token and gives the next one. */
export class ConfigurationSessions {
  readonly #tokens = new Map<string, { readonly session: Session; readonly at: number }>();
  #count = 0;

  constructor(
    private readonly state: AppConfigState,
    private readonly now: () => number,
    /** How long a second between two polls lasts, in ms. */
    private readonly secondMs: () => number,
  ) {}

  start(wanted: Wanted): string {
    if (!(wanted.leastSeconds >= 15 && wanted.leastSeconds <= 86_400))
      throw new Refusal('BadRequestException', 'RequiredMinimumPollIntervalInSeconds is from 15 to 86400.');
    const { application, environment, profile } = wanted;
    this.state.environment(application, environment);
    this.state.profile(application, profile);
    return this.#issue({ ...wanted, seen: undefined, readAt: undefined });
  }

  #issue(session: Session): string {
    this.#count += 1;
    const token = Buffer.from(`token-${this.#count}`).toString('base64url');
    this.#tokens.set(token, { session, at: this.now() });
    return token;
  }

  /** The configuration where it has changed since the last call of this session, otherwise nothing. */
  latest(token: string): StoreAnswer {
    const held = this.#tokens.get(token);
    if (!held) throw new Refusal('BadRequestException', 'The token is not known, or was used before.');
    if (this.now() - held.at > TOKEN_MS) throw new Refusal('BadRequestException', 'The token has expired.');
    const { session } = held;
    if (session.readAt !== undefined && this.now() - session.readAt < session.leastSeconds * this.secondMs())
      throw new Refusal('BadRequestException', `Polled again within ${session.leastSeconds} s.`);
    const served = this.state.served(session.application, session.environment, session.profile);
    if (!served) throw new Refusal('ResourceNotFoundException', 'Nothing is deployed yet.');
    this.#tokens.delete(token);
    const isNew = session.seen !== served.number;
    session.seen = served.number;
    session.readAt = this.now();
    const headers = {
      'content-type': served.contentType,
      'next-poll-configuration-token': this.#issue(session),
      'next-poll-interval-in-seconds': String(Math.max(session.leastSeconds, DEFAULT_POLL_SECONDS)),
      ...(served.label === undefined ? {} : { 'version-label': served.label }),
    };
    return isNew ? { status: 200, headers, body: served.content } : { ...json(200, {}), headers, body: '' };
  }
}
