type Waiting<Q, A> = {
  readonly question: Q;
  readonly resolve: (answer: A) => void;
  readonly reject: (error: unknown) => void;
};

export type TogetherOptions<Q, A> = {
  /** Answers many questions at once, in their order. */
  readonly answer: (questions: readonly Q[]) => Promise<readonly A[]>;
  /** Two questions of one key are not answered together: the second waits. Default: all may go together. */
  readonly keyOf?: (question: Q) => string;
};

/** So many different ones go together at most: while one half of them is answered, the other half can be worked on. */
const MOST = 32;
/** Groups on their way at once. */
const DEPTH = 2;

/**
 * Questions of one turn are answered together, by one statement, so that what it costs to ask does not grow with the
 * number of rollouts. A group that fails is asked again one by one: one question that cannot be answered fails alone.
 */
export class Together<Q, A> {
  private waiting: Waiting<Q, A>[] = [];
  private groups = 0;
  private isDue = false;

  constructor(private readonly options: TogetherOptions<Q, A>) {}

  ask(question: Q): Promise<A> {
    return new Promise<A>((resolve, reject) => {
      this.waiting.push({ question, resolve, reject });
      this.nextTurn();
    });
  }

  private nextTurn(): void {
    if (this.isDue || this.waiting.length === 0) return;
    this.isDue = true;
    setImmediate(() => {
      this.isDue = false;
      while (this.groups < DEPTH && this.waiting.length > 0) void this.settle(this.take());
    });
  }

  private take(): readonly Waiting<Q, A>[] {
    const keys = new Set<string>();
    const questions = new Set<Q>();
    const group: Waiting<Q, A>[] = [];
    const rest: Waiting<Q, A>[] = [];
    for (const each of this.waiting) {
      const key = this.options.keyOf?.(each.question);
      const fits = (questions.size < MOST || questions.has(each.question)) && (key === undefined || !keys.has(key));
      if (fits && key !== undefined) keys.add(key);
      if (fits) questions.add(each.question);
      (fits ? group : rest).push(each);
    }
    this.waiting = rest;
    return group;
  }

  private async settle(group: readonly Waiting<Q, A>[]): Promise<void> {
    this.groups += 1;
    await this.answerAll(group).catch(async (error: unknown) => {
      if (group.length === 1) group[0]?.reject(error);
      else await Promise.all(group.map((each) => this.answerAll([each]).catch((own: unknown) => each.reject(own))));
    });
    this.groups -= 1;
    this.nextTurn();
  }

  private async answerAll(group: readonly Waiting<Q, A>[]): Promise<void> {
    const answers = await this.options.answer(group.map(({ question }) => question));
    for (const [index, { resolve }] of group.entries()) resolve(answers[index] as A);
  }
}
