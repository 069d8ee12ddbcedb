import type { RecordedEvent } from '#libs/kernel';
import type { Mention, PastNews, PastRow, PastSpan } from '../past.js';
import type { LiveView } from '../queries/live-view.js';
import { pastOf } from './past-rows.js';

/** What events after a position add, gathered one after the other. */
export class PastNewsOf {
  readonly rows: PastRow[] = [];
  /** Of each rollout the newest. */
  readonly spans = new Map<string, PastSpan>();
  readonly mentions: Mention[] = [];
  upTo: number;

  constructor(readonly after: number) {
    this.upTo = after;
  }

  /** `view` has folded everything up to the event. */
  add(view: LiveView, event: RecordedEvent): void {
    const { rows, spans, mentions } = pastOf(view, event);
    this.rows.push(...rows);
    for (const span of spans) this.spans.set(span.rollout, span);
    this.mentions.push(...mentions);
    this.upTo = event.position;
  }

  get size(): number {
    return this.rows.length + this.mentions.length;
  }

  /** Up to the event that was added last, or to one behind it that adds nothing. */
  asNews(upTo = this.upTo): PastNews {
    return { upTo, rows: this.rows, spans: [...this.spans.values()], mentions: this.mentions };
  }
}
