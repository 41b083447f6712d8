import { trainRewardModel } from '@trainyard/engine';
import { toPreference } from '../chat-examples.ts';
import type { Ending, TrainerContext } from '../context.ts';
import { drive } from '../drive.ts';
import { loadBase, loadResume, loadTokenizer, records, take } from '../load-inputs.ts';
import { toOptimization } from '../optimization.ts';

/** Trains a judge on preferences: a scalar head on the base model (Bradley-Terry). */
export async function runRewardModel(context: TrainerContext<'reward_model'>): Promise<Ending> {
  const { config, job } = context;
  const tokenizer = await loadTokenizer(context);
  const base = await loadBase(context);
  const pairs = (await take(records<'preference'>(context, 'train'))).map((record) =>
    toPreference(tokenizer, record),
  );
  const resume = await loadResume(context);
  const { checkpointing, optimization } = config;
  return drive(
    context,
    { kind: 'reward', model: base.stored, checkpointing, totalSteps: optimization.steps, resume },
    (control) =>
      trainRewardModel({
        weights: base.weights,
        config: base.config,
        pairs,
        optimization: toOptimization(optimization, job.seed),
        control,
        ...(resume && { resume }),
      }),
  );
}
