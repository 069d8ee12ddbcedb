import { describe, expect, it } from 'vitest';
import { Together } from './together.js';

const answering = (fails: (group: readonly string[]) => boolean = () => false) => {
  const groups: (readonly string[])[] = [];
  const answer = async (questions: readonly string[]): Promise<readonly string[]> => {
    groups.push(questions);
    await Promise.resolve();
    if (fails(questions)) throw new Error(`no answer to ${questions.join()}`);
    return questions.map((question) => question.toUpperCase());
  };
  return { groups, answer };
};

describe('questions', () => {
  it('of one turn are asked together, and each gets its own answer', async () => {
    const { groups, answer } = answering();
    const together = new Together({ answer });
    expect(await Promise.all(['a', 'b', 'c'].map((question) => together.ask(question)))).toEqual(['A', 'B', 'C']);
    expect(groups).toEqual([['a', 'b', 'c']]);
  });

  it('that are many go in groups of bounded size, and all are answered', async () => {
    const { groups, answer } = answering();
    const together = new Together({ answer });
    const many = Array.from({ length: 150 }, (_, n) => `q${n}`);
    expect(await Promise.all(many.map((question) => together.ask(question)))).toEqual(many.map((q) => q.toUpperCase()));
    expect(Math.max(...groups.map(({ length }) => length))).toBe(32);
  });

  it('with one key are asked one after the other', async () => {
    const { groups, answer } = answering();
    const together = new Together({ answer, keyOf: (question) => question });
    await Promise.all(['a', 'a', 'b'].map((question) => together.ask(question)));
    expect(groups).toEqual([['a', 'b'], ['a']]);
  });

  it('fail alone: the others of their group are asked again', async () => {
    const { answer } = answering((group) => group.includes('bad'));
    const together = new Together({ answer });
    const answers = await Promise.allSettled(['a', 'bad', 'c'].map((question) => together.ask(question)));
    expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  });
});
