import * as tf from '@tensorflow/tfjs-core';
import type { Tensors } from '@trainyard/tensor';
import { float32, type HostTensor, type HostTensors } from '../host-tensor.ts';
import type { ModelConfig } from '../model/model-config.ts';
import type { ParameterLookup } from '../model/parameters.ts';
import { type GrpoObjective, grpoLoss, klEstimate } from './grpo-loss.ts';
import type { RolloutRow } from './rollout.ts';
import type { JudgedCompletion } from './sample-rollout.ts';
import { type TargetBatch, targetBatch, targetLogProbabilities } from './target-log-probabilities.ts';
import type { LossAndMetrics, Model, Optimization, Weights } from './training.ts';

interface CompletionObjective extends GrpoObjective {
  config: ModelConfig;
  /** Of the sampling: the policy is softmax(logits / temperature). */
  temperature: number;
  promptsPerStep: number;
  groupSize: number;
  updatesPerRollout: number;
  optimization: Optimization;
}

/** The rows of one micro batch: `accumulation` parts, equal but for one row. */
export function microBatch<T>(rows: readonly T[], micro: number, accumulation: number): T[] {
  const bound = (part: number) => Math.floor((part * rows.length) / accumulation);
  return rows.slice(bound(micro), bound(micro + 1));
}

/** Rows of a whole micro batch, so that every batch has the same shape. */
const fullRows = ({ promptsPerStep, groupSize, optimization }: CompletionObjective): number =>
  Math.ceil((promptsPerStep * groupSize) / optimization.accumulation);

/** Adds the log-probabilities that stay constant during the updates, computed in the micro batches of the updates. */
export async function rolloutRows(
  completions: readonly JudgedCompletion[],
  model: Model,
  objective: CompletionObjective,
): Promise<RolloutRow[]> {
  const rows: RolloutRow[] = [];
  const { accumulation } = objective.optimization;
  for (let micro = 0; micro < accumulation; micro += 1) {
    const own = microBatch(completions, micro, accumulation);
    if (own.length === 0) continue;
    const frozen = await completionLogProbabilities('reference', own, model, objective);
    const sampler =
      objective.updatesPerRollout > 1
        ? await completionLogProbabilities('policy', own, model, objective)
        : [];
    rows.push(
      ...own.map((completion, i) => ({
        ...completion,
        reference: frozen[i]!,
        sampler: sampler[i] ?? new Float32Array(),
      })),
    );
  }
  return rows;
}

/** What `rolloutRows` needs to be compiled with: log-probabilities [B,T] under both models. */
export const completionFunctions = ({ config, temperature }: CompletionObjective) => ({
  reference: ({ frozen }: Weights, batch: Tensors) => ({
    values: targetLogProbabilities(frozen, config, batch, temperature),
  }),
  policy: ({ trained }: Weights, batch: Tensors) => ({
    values: targetLogProbabilities(trained, config, batch, temperature),
  }),
});

/** Log-probabilities of each completion's tokens, without a gradient. */
async function completionLogProbabilities(
  name: 'reference' | 'policy',
  completions: readonly JudgedCompletion[],
  model: Model,
  objective: CompletionObjective,
): Promise<Float32Array[]> {
  const { values: all } = model.run(name, completionBatch(completions, objective));
  const length = all!.shape[1]!;
  const data = (await all!.data()) as Float32Array;
  all!.dispose();
  return completions.map(({ tokens, promptLength }, i) =>
    data.slice(i * length + promptLength - 1, i * length + tokens.length - 1),
  );
}

function completionBatch(
  completions: readonly JudgedCompletion[],
  objective: CompletionObjective,
): TargetBatch {
  return targetBatch(
    completions.map(({ tokens, promptLength }) => ({
      tokens,
      lossMask: new Uint8Array(tokens.length).fill(1, promptLength),
    })),
    objective.config.contextLength,
    fullRows(objective),
  );
}

/**
 * One micro batch of answers for `completionLoss`: a `TargetBatch` and, at each position [B*T] that predicts an
 * answer's token, the reference's and the sampler's log-probability, the advantage and the token's share in the loss.
 * Each answer is averaged over its tokens, and all answers of the step count alike, those without an advantage (left
 * out here) included.
 */
export function rolloutBatch(rows: readonly RolloutRow[], objective: CompletionObjective): HostTensors {
  const batch = completionBatch(rows, objective);
  const [size, length] = batch.inputs.shape as [number, number];
  const { promptsPerStep, groupSize, optimization } = objective;
  const share = optimization.accumulation / (promptsPerStep * groupSize); // runSteps takes the mean over micro batches
  const spread = (values: (row: RolloutRow) => number | Float32Array): HostTensor => {
    const data = new Float32Array(size * length);
    for (const [i, row] of rows.entries()) {
      const [start, end] = [i * length + row.promptLength - 1, i * length + row.tokens.length - 1];
      const own = values(row);
      if (typeof own === 'number') data.fill(own, start, end);
      else data.set(own, start);
    }
    return float32(data);
  };
  return {
    ...batch,
    reference: spread((row) => row.reference),
    ...(objective.updatesPerRollout > 1 && { sampler: spread((row) => row.sampler) }),
    advantages: spread((row) => row.advantage),
    shares: spread((row) => share / (row.tokens.length - row.promptLength)),
  };
}

/** GRPO's loss of a `rolloutBatch`. `kl` is the mean k3 estimate per token of its answers, 0 where there are none. */
export function completionLoss(
  parameters: ParameterLookup,
  batch: Tensors,
  objective: CompletionObjective,
): LossAndMetrics {
  const flat = (tensor: tf.Tensor) => tf.reshape(tensor, [-1]) as tf.Tensor1D;
  const policy = flat(targetLogProbabilities(parameters, objective.config, batch, objective.temperature));
  const mask = flat(batch.weights!);
  // Padding is no answer: what the models think of it must not overflow the estimate.
  const answered = tf.mul(policy, mask) as tf.Tensor1D;
  const reference = batch.reference as tf.Tensor1D;
  const loss = grpoLoss(
    {
      policy: answered,
      reference,
      ...(batch.sampler && { sampler: batch.sampler as tf.Tensor1D }),
      advantages: batch.advantages as tf.Tensor1D,
      weights: batch.shares as tf.Tensor1D,
    },
    objective,
  );
  const total = tf.sum(tf.mul(klEstimate(answered, reference), mask));
  return { loss, metrics: { kl: tf.div(total, tf.maximum(tf.sum(mask), 1)) as tf.Scalar } };
}
