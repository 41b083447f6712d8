import { finetune, initParameters } from '@trainyard/engine';
import { toExample } from '../chat-examples.ts';
import type { Ending, TrainerContext } from '../context.ts';
import { drive } from '../drive.ts';
import { loadBase, loadTokenizer, records, take } from '../load-inputs.ts';

/** Instruction fine-tuning on conversations; the loss is on the assistant's tokens alone. */
export async function runFinetune(context: TrainerContext<'finetune'>): Promise<Ending> {
  const { config, job } = context;
  const tokenizer = await loadTokenizer(context);
  const base = await loadBase(context);
  const weights = config.initial_weights === 'random' ? initParameters(base.config, job.seed) : base.weights;
  const examples = (await take(records<'chat' | 'instruction'>(context, 'train'))).map((record) =>
    toExample(tokenizer, record),
  );
  return drive(context, { kind: 'assistant', model: base.stored, config }, (course) =>
    finetune({
      weights,
      config: base.config,
      examples,
      ...(config.method === 'lora' && { lora: config.lora }),
      ...course,
    }),
  );
}
