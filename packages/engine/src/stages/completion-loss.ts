import * as tf from '@tensorflow/tfjs-core';
import type { ModelConfig } from '../model/model-config.ts';
import type { ParameterLookup } from '../model/parameters.ts';
import { type GrpoObjective, grpoLoss, klEstimate } from './grpo-loss.ts';
import type { RolloutRow } from './rollout.ts';
import type { JudgedCompletion } from './sample-rollout.ts';
import { type TargetBatch, targetBatch, targetLogProbabilities } from './target-log-probabilities.ts';
import type { LossAndMetrics, Optimization } from './training.ts';

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

/** Adds the log-probabilities that stay constant during the updates, computed in the micro batches of the updates. */
export async function rolloutRows(
  completions: readonly JudgedCompletion[],
  policy: ParameterLookup,
  reference: ParameterLookup,
  objective: CompletionObjective,
): Promise<RolloutRow[]> {
  const rows: RolloutRow[] = [];
  const { accumulation } = objective.optimization;
  for (let micro = 0; micro < accumulation; micro += 1) {
    const own = microBatch(completions, micro, accumulation);
    if (own.length === 0) continue;
    const [frozen, sampler] = [
      await completionLogProbabilities(reference, own, objective),
      objective.updatesPerRollout > 1 ? await completionLogProbabilities(policy, own, objective) : [],
    ];
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

/** Log-probabilities of each completion's tokens, without a gradient. */
async function completionLogProbabilities(
  parameters: ParameterLookup,
  completions: readonly JudgedCompletion[],
  { config, temperature }: CompletionObjective,
): Promise<Float32Array[]> {
  const all = tf.tidy(() =>
    targetLogProbabilities(parameters, config, completionBatch(completions), temperature),
  );
  const length = all.shape[1];
  const data = (await all.data()) as Float32Array;
  all.dispose();
  return completions.map(({ tokens, promptLength }, i) =>
    data.slice(i * length + promptLength - 1, i * length + tokens.length - 1),
  );
}

function completionBatch(completions: readonly JudgedCompletion[]): TargetBatch {
  return targetBatch(
    completions.map(({ tokens, promptLength }) => ({
      tokens,
      lossMask: new Uint8Array(tokens.length).fill(1, promptLength),
    })),
  );
}

/**
 * GRPO's loss of one micro batch: each answer is averaged over its tokens, and all answers of the step count alike,
 * those without an advantage (left out here) included. `kl` is the mean k3 estimate per token of these rows.
 */
export function completionLoss(
  parameters: ParameterLookup,
  rows: readonly RolloutRow[],
  objective: CompletionObjective,
): LossAndMetrics {
  const batch = completionBatch(rows);
  const [, length] = batch.inputs.shape;
  const flat = (tensor: tf.Tensor) => tf.reshape(tensor, [rows.length * length]) as tf.Tensor1D;
  const policy = flat(targetLogProbabilities(parameters, objective.config, batch, objective.temperature));
  const reference = spread(rows, length, (row) => row.reference);
  const { promptsPerStep, groupSize, optimization } = objective;
  const share = optimization.accumulation / (promptsPerStep * groupSize); // runSteps takes the mean over micro batches
  const answerLength = (row: RolloutRow) => row.tokens.length - row.promptLength;
  const loss = grpoLoss(
    {
      policy,
      reference,
      ...(objective.updatesPerRollout > 1 && { sampler: spread(rows, length, (row) => row.sampler) }),
      advantages: spread(rows, length, (row) => row.advantage),
      weights: spread(rows, length, (row) => share / answerLength(row)),
    },
    objective,
  );
  const mask = flat(batch.weights);
  const kl = tf.div(tf.sum(tf.mul(klEstimate(policy, reference), mask)), tf.sum(mask));
  return { loss, metrics: { kl: kl as tf.Scalar } };
}

/** [rows * length], a value or values of each row at the positions that predict its completion, 0 elsewhere. */
function spread(
  rows: readonly RolloutRow[],
  length: number,
  values: (row: RolloutRow) => number | Float32Array,
): tf.Tensor1D {
  const data = new Float32Array(rows.length * length);
  for (const [i, row] of rows.entries()) {
    const [start, end] = [i * length + row.promptLength - 1, i * length + row.tokens.length - 1];
    const own = values(row);
    if (typeof own === 'number') data.fill(own, start, end);
    else data.set(own, start);
  }
  return tf.tensor1d(data);
}
