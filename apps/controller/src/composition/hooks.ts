import { join, resolve } from 'node:path';
import {
  automation,
  ChangeHookCommand,
  ChangeHookHandler,
  configOf,
  HOOK,
  hookEvent,
  hookTaskId,
  TaskLoop,
  type CommandRunner,
  type Disposition,
  type Hook,
  type LiveView,
  type Log,
} from '#libs/application';
import type { HookView } from '#libs/contracts';
import { HookCourier, HookKey, PostgresHookStore, refusedUrl, type HookStatus } from '#libs/hooks';
import type { ClaimedTask, Clock, EventStore, RecordedEvent, TaskQueue } from '#libs/kernel';
import type { Pool } from 'pg';
import type { ControllerConfig } from '../config.js';
import { HookBoard } from '../http/hook-board.js';

/** Longer than a turn with its last attempt; tasks of a controller that died are free without it. */
const LEASE_MS = 30_000;
/** Rings may be lost: this late an event is found all the same. */
const REST_MS = 10_000;
const HOUR_MS = 3_600_000;

type Setting = {
  readonly pool: Pool;
  readonly store: EventStore;
  readonly view: LiveView;
  readonly queue: TaskQueue;
  readonly runner: CommandRunner;
  readonly clock: Clock;
  readonly log: Log;
};

const wants = (hook: Hook, event: RecordedEvent, view: LiveView): boolean =>
  event.position > hook.addedAt &&
  hook.types.includes(event.type) &&
  (hook.configs.length === 0 || hook.configs.includes(configOf(event, view) ?? ''));

const stateOf = ({ disabled }: Hook, status: HookStatus | undefined): HookView['state'] => {
  if (disabled !== null) return 'disabled';
  if (status === undefined) return 'delivering';
  if (status.trouble !== null) return 'stuck';
  if (status.dead > 0) return 'dead';
  return status.error === null ? 'delivering' : 'retrying';
};

/** Hooks as the log has them, with how far deliveries got; for readers on whatever controller they ask. */
class LiveHookBoard extends HookBoard {
  readonly #view: LiveView;
  readonly #states: PostgresHookStore;
  readonly #key: HookKey;
  readonly #mayLoop: boolean;

  constructor(view: LiveView, states: PostgresHookStore, key: HookKey, mayLoop: boolean) {
    super();
    this.#view = view;
    this.#states = states;
    this.#key = key;
    this.#mayLoop = mayLoop;
  }

  async list(): Promise<readonly HookView[]> {
    const statuses = await this.#states.statuses([...this.#view.hooks.keys()]);
    return [...this.#view.hooks.values()].map((hook) => {
      const status = statuses.get(hook.hook);
      return {
        id: hook.hook,
        url: hook.url,
        types: hook.types,
        configs: hook.configs,
        createdAt: hook.createdAt,
        state: stateOf(hook, status),
        delivered: status?.delivered ?? null,
        deliveredAt: status?.deliveredAt ?? null,
        waiting: status?.waiting ?? 0,
        dead: status?.dead ?? 0,
        unread: Math.max(0, this.#view.position - (status?.readTo ?? hook.addedAt)),
        failingSince: hook.disabledAt ?? status?.failingSince ?? null,
        error: hook.disabled ?? status?.trouble ?? status?.error ?? null,
      };
    });
  }

  refused(url: string): string | undefined {
    return refusedUrl(new URL(url), this.#mayLoop);
  }

  key(): string {
    return this.#key.make();
  }

  secretOf(hook: string): string {
    return this.#key.secretOf(hook);
  }
}

/** Does the tasks of hooks: one each, which one controller at a time holds. */
class HookWorker {
  constructor(
    private readonly setting: Setting,
    private readonly courier: HookCourier,
    private readonly states: PostgresHookStore,
    private readonly key: HookKey,
  ) {}

  async run(task: ClaimedTask): Promise<Disposition> {
    const { view, clock } = this.setting;
    const id = String(task.payload['hook']);
    const hook = view.hooks.get(id);
    if (hook === undefined) return this.#without(id);
    if (hook.disabled !== null) return this.#again(REST_MS);
    if (this.key.fingerprint !== hook.key) {
      await this.states.trouble(
        hook,
        'a controller does not have the key that this hook was added with: give all the same HEADGATE_HOOK_KEY_FILE',
      );
      return this.#again(1_000 + Math.random() * 1_000);
    }
    await this.states.trouble(hook, null);
    const turn = await this.courier.turn({ ...hook, secret: this.key.secretOf(id) });
    if (turn.kind === 'gone') {
      await this.#disable(id);
      return this.#again(0);
    }
    return { kind: 'again', atMs: Math.min(turn.nextAt ?? Infinity, clock.now() + REST_MS), fresh: true };
  }

  /** Removed; or another controller has added it, and this one not read so far. */
  async #without(id: string): Promise<Disposition> {
    const events = await this.setting.store.readStream(`hook-${id}`);
    if (!events.some(({ type }) => type === 'HookRemoved')) return this.#again(200);
    await this.states.forget(id);
    return { kind: 'done' };
  }

  async #disable(hook: string): Promise<void> {
    const { runner, view } = this.setting;
    const reason = 'its receiver answered 410: it wants no more events';
    const outcome = await new ChangeHookHandler(runner).execute(
      new ChangeHookCommand(hook, { type: 'DisableHook', reason }, automation(runner.newId())),
    );
    if (outcome.accepted) await view.caughtUpWith(outcome.lastPosition);
  }

  #again(ms: number): Disposition {
    return { kind: 'again', atMs: this.setting.clock.now() + ms, fresh: true };
  }
}

/** Brings the tasks of hooks forward whose time has come with an event; several events ring once. */
const ringForHooks = ({ queue, view }: Setting): (() => void) => {
  const due = new Set<string>();
  let timer: NodeJS.Timeout | undefined;
  const ring = (): void => {
    timer = undefined;
    const ids = [...due].map(hookTaskId);
    due.clear();
    // Without it the task comes at its own time.
    queue.hasten(ids).catch(() => undefined);
  };
  view.onEvent((event) => {
    if (event.streamId.startsWith('hook-')) due.add(event.streamId.slice('hook-'.length));
    for (const hook of view.hooks.values()) if (hook.disabled === null && wants(hook, event, view)) due.add(hook.hook);
    if (due.size > 0) timer ??= setTimeout(ring, 10);
  });
  return () => clearTimeout(timer);
};

/** Events out: the board that routes ask, and, unless the role is to serve only, the work. */
export const openHooks = (config: ControllerConfig, setting: Setting) => {
  const { pool, store, view, queue, clock, log } = setting;
  const states = new PostgresHookStore(pool);
  const key = new HookKey(resolve(config.hookKeyFile ?? join(config.dataDir, 'hook-key')));
  const courier = new HookCourier({
    store: states,
    log: store,
    readable: () => view.position,
    tell: (id, event) => {
      const hook = view.hooks.get(id);
      return hook !== undefined && wants(hook, event, view) ? JSON.stringify(hookEvent(event, view)) : undefined;
    },
    now: () => clock.now(),
    chance: Math.random,
    mayLoop: config.hookLoopback,
    giveUpMs: config.hookHours * HOUR_MS,
  });
  const worker = new HookWorker(setting, courier, states, key);
  const loop = new TaskLoop(queue, { [HOOK]: (task) => worker.run(task) }, () => clock.now(), log, {
    leaseMs: LEASE_MS,
  });
  let isLooping = false;
  let quiet: () => void = () => undefined;
  // Who has no hook does not look for its task all the time.
  const begin = (): void => {
    if (isLooping || config.role === 'api' || view.hooks.size === 0) return;
    isLooping = true;
    loop.start();
  };
  view.onEvent(({ type }) => {
    if (type === 'HookAdded') begin();
  });
  const start = (): void => {
    quiet = ringForHooks(setting);
    begin();
  };
  view.onFailure(() => void loop.stop());
  const stop = async (): Promise<void> => {
    quiet();
    courier.stop();
    await loop.stop();
  };
  return { board: new LiveHookBoard(view, states, key, config.hookLoopback), start, stop };
};
