import { z } from 'zod';
import type { EventView } from '#libs/contracts';

/** The parts of a rollout's events that the story and the check read; more fields may come along. */
const plan = z.object({
  plan: z.string(),
  holdbackBp: z.number(),
  watchMs: z.number(),
  signals: z.array(z.object({ signal: z.string(), title: z.string(), type: z.string() })),
  tracks: z.array(
    z.object({
      name: z.string(),
      targets: z.array(z.object({ target: z.string() })),
      stages: z.array(z.object({ name: z.string() })),
    }),
  ),
});

const rollout = z.string();
const stage = { rollout, track: z.string(), stage: z.string() };

const shapes = {
  RolloutPlanned: z.object({
    rollout,
    config: z.string(),
    revision: z.number(),
    plan,
    controls: z.record(z.string(), z.number()),
  }),
  StageEntered: z.object(stage),
  StagePassed: z.object({ ...stage, sentences: z.array(z.string()) }),
  ExposureRequested: z.object({ rollout, target: z.string(), shareBp: z.number(), purpose: z.string() }),
  ExposureFailed: z.object({ rollout, target: z.string(), generation: z.number(), error: z.string() }),
  ExposureChanged: z.object({ rollout, target: z.string(), generation: z.number() }),
  RolloutHeld: z.object({ rollout, reason: z.string() }),
  RolloutResumed: z.object({ rollout, reason: z.string() }),
  DegradationDetected: z.object({ rollout, signal: z.string(), stages: z.array(z.string()), sentence: z.string() }),
  RollbackStarted: z.object({ rollout, targets: z.array(z.string()) }),
  TargetReadBack: z.object({ rollout, target: z.string() }),
  TargetDrained: z.object({ rollout, target: z.string(), outcome: z.string(), detail: z.string() }),
  RolledBack: z.object({ rollout, targets: z.record(z.string(), z.string()) }),
  FullyExposed: z.object({ rollout, holdbackBp: z.number() }),
  RolloutSettled: z.object({ rollout, revision: z.number(), targets: z.array(z.string()) }),
} as const;

type Shapes = typeof shapes;
export type StoryPlan = z.output<typeof plan>;

/** An event of a rollout that has a part in the story; `at` is ms since 1970. */
export type StoryEvent = {
  [Type in keyof Shapes]: { readonly type: Type; readonly at: number; readonly data: z.output<Shapes[Type]> };
}[keyof Shapes];

const isStory = (type: string): type is keyof Shapes => Object.hasOwn(shapes, type);

/** Undefined for events that the story does not tell. @throws ZodError when one of its events has another form */
export const storyEvent = (event: EventView): StoryEvent | undefined => {
  if (!isStory(event.type)) return undefined;
  const read = <Type extends keyof Shapes>(type: Type): unknown => ({
    type,
    at: Date.parse(event.recordedAt),
    data: shapes[type].parse(event.data),
  });
  return read(event.type) as StoryEvent;
};
