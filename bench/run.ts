import type { Effort } from './contest.ts';
import type { Options } from './options.ts';
import type { Outcome, Surroundings } from './outcome.ts';
import { runModels } from './run-models.ts';
import { runTokenizer } from './run-tokenizer.ts';

/** Measures what the options ask for. What cannot be measured is named with its reason. */
export async function run(options: Options, around: Surroundings): Promise<Outcome> {
  const outcome: Outcome = { sgemm: {}, models: [], tokenizer: [], leftOut: [], failed: [] };
  const effort: Effort = {
    ...(options.steps !== undefined && { iterations: options.steps }),
    ...(options.quick ? { seconds: 0, least: 2, most: 2 } : { seconds: 10, least: 3, most: 50 }),
  };
  if (options.only.some((part) => part !== 'tokenizer')) await runModels(options, effort, around, outcome);
  if (options.only.includes('tokenizer')) await runTokenizer(options, effort, around, outcome);
  return outcome;
}
