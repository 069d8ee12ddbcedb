import { readFile } from 'node:fs/promises';
import { parseAllDocuments } from 'yaml';
import type { ApplyRequest, EventView, PlanPreview } from '#libs/contracts';
import type { z } from 'zod';
import type { HeadgateClient } from '../../../cli/src/client.js';
import { storyEvent, type StoryEvent } from './events.js';
import { beginStory, tell, withPrediction, type Story } from './story.js';
import { hasEnded } from './verdict.js';

type Manifests = z.input<typeof ApplyRequest>['manifests'];

/** Reads all documents of a YAML file. */
export const readManifests = async (path: string): Promise<Manifests> => {
  const documents = parseAllDocuments(await readFile(path, 'utf8'));
  return [...documents].map((document) => {
    const [error] = document.errors;
    if (error) throw new Error(`${path} is not YAML: ${error.message}`);
    return document.toJS() as Manifests[number];
  });
};

/** Everything that has happened, told as it comes, and waited for. */
export class Narrator {
  private story: Story;
  private readonly events = new Map<string, StoryEvent[]>();
  private readonly waiters = new Set<() => void>();
  private heard: () => void = () => undefined;

  constructor(
    begunAt: number,
    private readonly print: (line: string) => void,
  ) {
    this.story = beginStory(begunAt);
  }

  get begunAt(): number {
    return this.story.begunAt;
  }

  predicted(preview: PlanPreview): void {
    this.story = withPrediction(this.story, preview);
  }

  /** Rejects when no event comes for so long. */
  silence(ms: number): { readonly broken: Promise<never>; readonly stop: () => void } {
    let timer: NodeJS.Timeout | undefined;
    const broken = new Promise<never>((_, reject) => {
      const fail = (): void =>
        reject(new Error(`The controller has said nothing for ${ms / 1_000} s: the demo makes no progress.`));
      this.heard = () => {
        clearTimeout(timer);
        timer = setTimeout(fail, ms);
      };
      this.heard();
    });
    return {
      broken,
      stop: () => {
        clearTimeout(timer);
        this.heard = () => undefined;
      },
    };
  }

  take(view: EventView): void {
    this.heard();
    const event = storyEvent(view);
    if (!event) return;
    const { rollout } = event.data;
    this.events.set(rollout, [...this.eventsOf(rollout), event]);
    const told = tell(this.story, event);
    this.story = told.story;
    for (const line of told.lines) this.print(line);
    for (const look of this.waiters) look();
  }

  eventsOf(rollout: string): readonly StoryEvent[] {
    return this.events.get(rollout) ?? [];
  }

  /** Resolves with the rollout's events when it has ended, or with those there are when the time is up. */
  ended(rollout: string, ms: number): Promise<readonly StoryEvent[]> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.waiters.delete(look);
        resolve(this.eventsOf(rollout));
      };
      const look = (): void => {
        if (hasEnded(this.eventsOf(rollout))) done();
      };
      const timer = setTimeout(done, ms);
      this.waiters.add(look);
      look();
    });
  }
}

/** Proposes a new revision, shows what the plan predicts of it, and starts it. */
export const startChange = async (
  client: HeadgateClient,
  narrator: Narrator,
  change: { readonly file: string; readonly config: string; readonly plan: string; readonly reason: string },
): Promise<{ readonly rollout: string; readonly preview: PlanPreview }> => {
  const { config, plan, reason } = change;
  await client.apply({ manifests: await readManifests(change.file), reason });
  const preview = await client.preview({ config, plan });
  narrator.predicted(preview);
  const { id } = await client.start({ config, plan, reason });
  return { rollout: id, preview };
};
