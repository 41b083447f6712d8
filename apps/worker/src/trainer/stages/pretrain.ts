import { concatenate, type DatasetVersionContent, tokenizeText, windowSampler } from '@trainyard/datasets';
import { pretrain, type StoredModel, toModelConfig } from '@trainyard/engine';
import type { Tokenizer } from '@trainyard/tokenizer';
import type { Ending, TrainerContext } from '../context.ts';
import { drive } from '../drive.ts';
import { loadTokenizer } from '../load-inputs.ts';

/** Self-supervised training on text: the next word, or missing ones. */
export async function runPretrain(context: TrainerContext<'pretrain'>): Promise<Ending> {
  const { config, job } = context;
  const tokenizer = await loadTokenizer(context);
  const { preset: _, ...shape } = config.model as Required<typeof config.model>;
  const model: StoredModel = {
    ...shape,
    vocab_size: tokenizer.vocabSize,
    attention: config.objective === 'masked' ? 'bidirectional' : 'causal',
    objective: config.objective,
  };
  const shards = await openShards(context, tokenizer);
  const { batch_size: batchSize, accumulation } = config.optimization;
  const sample = windowSampler(concatenate(shards), {
    length: model.context_length + 1,
    batchSize,
    accumulation,
    seed: job.seed,
  });
  const kind = config.objective === 'masked' ? 'masked' : 'base';
  try {
    return await drive(context, { kind, model, config }, (course) =>
      pretrain({
        config: toModelConfig(model),
        objective: config.objective,
        maskingRate: config.masking_rate,
        fimRate: config.fim_rate,
        vocabulary: tokenizer,
        sample,
        ...course,
      }),
    );
  } finally {
    for (const shard of shards) shard.close();
  }
}

function openShards({ job, blobs }: TrainerContext, tokenizer: Tokenizer) {
  return Promise.all(
    job.inputs.datasets.map(({ content }) =>
      tokenizeText({
        store: blobs,
        content: content as unknown as DatasetVersionContent<'text'>,
        split: 'train',
        tokenizer,
        cacheDir: job.cacheDir,
      }),
    ),
  );
}
