import { TrainyardError } from '@trainyard/contracts';
import type { Grader } from './graders.ts';
import { grade } from './graders.ts';

/** The completions sampled for one prompt, to be judged side by side; texts are decoded, without special tokens. */
export interface JudgedGroup {
  prompt: string;
  reference?: string[];
  completions: string[];
}

/** Rewards [group][completion] for a batch of groups: a rule, a reward model, a more advanced model or people. */
export type Judge = (batch: JudgedGroup[]) => Promise<number[][]>;

/** The judge that applies a verifiable rule; every group must carry a reference (invalid_data otherwise). */
export function graderJudge(grader: Grader): Judge {
  return async (batch) =>
    batch.map(({ prompt, reference, completions }) => {
      if (reference === undefined || reference.length === 0) {
        throw new TrainyardError(
          'invalid_data',
          `The prompt ${JSON.stringify(prompt.slice(0, 80))} has no reference answer to grade against: add one or choose another judge.`,
          { param: 'reference' },
        );
      }
      return completions.map((completion) => grade(grader, completion, reference));
    });
}

/** Asks `judge` and checks that it answered with one finite number per completion (internal otherwise). */
export async function judgeRewards(judge: Judge, batch: JudgedGroup[]): Promise<number[][]> {
  const rewards = await judge(batch);
  const complete =
    rewards.length === batch.length &&
    batch.every(
      (group, i) => rewards[i]!.length === group.completions.length && rewards[i]!.every(Number.isFinite),
    );
  if (!complete) {
    throw new TrainyardError(
      'internal',
      'The judge must answer with one finite reward for every completion.',
    );
  }
  return rewards;
}
