import { trainRewardModel } from '@trainyard/engine';
import { toPreference } from '../chat-examples.ts';
import type { Ending, TrainerContext } from '../context.ts';
import { drive } from '../drive.ts';
import { loadBase, loadTokenizer, records, take } from '../load-inputs.ts';

/** Trains a judge on preferences: a scalar head on the base model (Bradley-Terry). */
export async function runRewardModel(context: TrainerContext<'reward_model'>): Promise<Ending> {
  const { config } = context;
  const tokenizer = await loadTokenizer(context);
  const base = await loadBase(context);
  const pairs = (await take(records<'preference'>(context, 'train'))).map((record) =>
    toPreference(tokenizer, record),
  );
  return drive(context, { kind: 'reward', model: base.stored, config }, (course) =>
    trainRewardModel({ weights: base.weights, config: base.config, pairs, ...course }),
  );
}
