import { type Stage, TrainyardError } from '@trainyard/contracts';
import type { Ending, TrainerContext } from './context.ts';
import { evaluate } from './stages/evaluate.ts';
import { runFinetune } from './stages/finetune.ts';
import { runPretrain } from './stages/pretrain.ts';
import { runRewardModel } from './stages/reward-model.ts';
import { runRl } from './stages/rl.ts';
import { trainTokenizer } from './stages/train-tokenizer.ts';

type Runner<S extends Stage> = (context: TrainerContext<S>) => Promise<Ending>;

/** What runs each stage; a stage without an entry does not compile. */
const RUNNERS: { [S in Stage]: Runner<S> } = {
  tokenizer: trainTokenizer,
  pretrain: runPretrain,
  finetune: runFinetune,
  reward_model: runRewardModel,
  rl: runRl,
  eval: evaluate,
};

export async function runJob<S extends Stage>(context: TrainerContext<S>): Promise<Ending> {
  return RUNNERS[context.job.stage](context);
}

/** Errors that end by themselves: the store was full or out of reach. */
export const isBlocking = (error: unknown): error is TrainyardError =>
  error instanceof TrainyardError && (error.code === 'unavailable' || error.code === 'storage_full');
