import * as tf from '@tensorflow/tfjs-core';
import { TrainyardError } from '@trainyard/contracts';
import type { Execution, Tensors } from '@trainyard/tensor';
import type { HostTensors } from '../host-tensor.ts';
import { crossEntropy, tokenLogProbabilities } from '../model/cross-entropy.ts';
import { dropoutSeed } from '../model/dropout.ts';
import { forward, head } from '../model/forward.ts';
import type { ModelConfig } from '../model/model-config.ts';
import { checkParameters, type ParameterLookup } from '../model/parameters.ts';
import {
  type ChatExample,
  chatBatch,
  type PackedRow,
  packExamples,
  validateChatExamples,
} from './chat-batch.ts';
import { drawBatch, epochOrder } from './epoch-order.ts';
import {
  adaptedLookup,
  adaptedNames,
  initAdapters,
  type LoraConfig,
  mergeAdapters,
  validateLora,
} from './lora.ts';
import {
  type Control,
  type Optimization,
  runSteps,
  type TrainingEvent,
  type TrainingState,
  type TrainingTask,
  type Weights,
} from './training.ts';

export interface FinetuneOptions {
  /** The base model; needed again to resume a run with adapters. */
  weights: HostTensors;
  config: ModelConfig;
  examples: readonly ChatExample[];
  optimization: Optimization;
  /** Trains adapters of these projections alone; every weight where it is left out. */
  lora?: LoraConfig;
  control: Control;
  resume?: TrainingState;
  execution?: Execution;
}

/**
 * Instruction fine-tuning: next-token loss on the answers alone, over packed rows of the context's length. Checkpoints
 * hold whole weights, adapters merged; the adapters themselves lie in the optimizer state, under PEFT's names.
 * @throws TrainyardError `invalid_data` for examples that cannot be trained on, `invalid_config` (param `lora.*`),
 *   `incompatible_checkpoint` when the weights are not those of `config`.
 */
export async function* finetune(options: FinetuneOptions): AsyncGenerator<TrainingEvent, void, void> {
  const { weights, config, examples, optimization, control, resume, execution } = options;
  checkParameters(weights, config);
  validateChatExamples(examples, config.contextLength);
  const rows = packExamples(examples, config.contextLength);
  const order = epochOrder(optimization.seed, rows.length);
  const batch = (step: number, micro: number) => drawBatch(rows, order, { step, micro, ...optimization });
  const { dropout: rate = 0, seed } = optimization;
  const model = options.lora ? adaptedModel(options, options.lora) : fullModel(options);
  yield* runSteps({
    ...model.task,
    optimization,
    control,
    ...(resume && { resume }),
    ...(execution && { execution }),
    batch: (step, micro) => ({
      ...chatBatch(batch(step, micro)),
      dropout: dropoutSeed(seed, step, micro),
    }),
    loss: (own, inputs) => answerLoss(model.parameters(own), config, inputs, rate),
    metrics: (step) => ({ tokens: countTargets(step, optimization.accumulation, batch) }),
  });
}

/** Mean negative log-likelihood in nats of the answers' tokens in packed rows; `batch` as `chatBatch` lays it out. */
export function answerLoss(
  parameters: ParameterLookup,
  config: ModelConfig,
  { inputs, positions, mask, targets, weights, dropout: seed }: Tensors,
  rate = 0,
): tf.Scalar {
  const hidden = forward(parameters, config, inputs as tf.Tensor2D, {
    positions: positions as tf.Tensor2D,
    mask: mask as tf.Tensor4D,
    dropout: { rate, seed: seed as tf.Tensor1D },
  });
  const rows = tf.reshape(hidden, [-1, config.width]) as tf.Tensor2D;
  const scores = tokenLogProbabilities(rows, head(parameters, config), targets as tf.Tensor1D);
  return crossEntropy(scores, weights as tf.Tensor1D);
}

/** Tokens that a step learns from. */
function countTargets(
  step: number,
  accumulation: number,
  batch: (step: number, micro: number) => PackedRow[],
): number {
  let tokens = 0;
  for (let micro = 0; micro < accumulation; micro += 1) {
    for (const { weights } of batch(step, micro)) tokens += weights.reduce((sum, weight) => sum + weight, 0);
  }
  return tokens;
}

interface FinetunedModel {
  parameters: (weights: Weights) => ParameterLookup;
  task: Pick<TrainingTask, 'weights' | 'frozen' | 'snapshot'>;
}

function fullModel({ weights, resume }: FinetuneOptions): FinetunedModel {
  return { parameters: ({ trained }) => trained, task: { weights: () => resume?.weights ?? weights } };
}

function adaptedModel({ weights, optimization, resume }: FinetuneOptions, lora: LoraConfig): FinetunedModel {
  validateLora(lora, weights);
  const fresh = initAdapters(weights, lora, optimization.seed);
  return {
    parameters: ({ trained, frozen }) =>
      adaptedLookup(frozen, trained, adaptedNames(Object.keys(weights), lora), lora),
    task: {
      weights: () => (resume ? savedAdapters(fresh, resume) : fresh),
      frozen: weights,
      snapshot: async (adapters) => ({
        weights: await mergeAdapters(weights, adapters, lora),
        optimizer: adapters,
      }),
    },
  };
}

function savedAdapters(wanted: HostTensors, { optimizer }: TrainingState): HostTensors {
  const saved = Object.entries(wanted).map(([name, { shape }]) => {
    const adapter = optimizer[name];
    if (adapter?.shape.join() !== shape.join()) {
      throw new TrainyardError(
        'incompatible_checkpoint',
        `The checkpoint has no adapter ${name} of shape [${shape}]: resume with the run's own LoRA settings.`,
      );
    }
    return [name, adapter] as const;
  });
  return Object.fromEntries(saved);
}
