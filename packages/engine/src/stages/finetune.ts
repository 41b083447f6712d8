import * as tf from '@tensorflow/tfjs-core';
import { TrainyardError } from '@trainyard/contracts';
import { type HostTensors, toHost } from '../host-tensor.ts';
import { crossEntropy } from '../model/cross-entropy.ts';
import type { Dropout } from '../model/dropout.ts';
import { forward, logits } from '../model/forward.ts';
import type { ModelConfig } from '../model/model-config.ts';
import {
  checkParameters,
  disposeParameters,
  loadParameters,
  lookup,
  type ParameterLookup,
  type Parameters,
} from '../model/parameters.ts';
import {
  type ChatExample,
  chatBatch,
  type PackedRow,
  packExamples,
  validateChatExamples,
} from './chat-batch.ts';
import { dropoutOf } from './dropout-of.ts';
import { drawBatch, epochOrder } from './epoch-order.ts';
import { adaptedLookup, initAdapters, type LoraConfig, mergeAdapters, validateLora } from './lora.ts';
import {
  type Control,
  type Optimization,
  runSteps,
  type TrainingEvent,
  type TrainingState,
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
}

/**
 * Instruction fine-tuning: next-token loss on the answers alone, over packed rows of the context's length. Checkpoints
 * hold whole weights, adapters merged; the adapters themselves lie in the optimizer state, under PEFT's names.
 * @throws TrainyardError `invalid_data` for examples that cannot be trained on, `invalid_config` (param `lora.*`),
 *   `incompatible_checkpoint` when the weights are not those of `config`.
 */
export async function* finetune(options: FinetuneOptions): AsyncGenerator<TrainingEvent, void, void> {
  const { weights, config, examples, optimization, control, resume } = options;
  checkParameters(weights, config);
  validateChatExamples(examples, config.contextLength);
  const rows = packExamples(examples, config.contextLength);
  const order = epochOrder(optimization.seed, rows.length);
  const model = options.lora ? adaptedModel(options, options.lora) : fullModel(options);
  const batch = (step: number, micro: number) => drawBatch(rows, order, { step, micro, ...optimization });
  try {
    yield* runSteps({
      trainable: model.trainable,
      optimization,
      control,
      ...(resume && { resume }),
      ...(model.snapshot && { snapshot: model.snapshot }),
      microBatchLoss: (step, micro) =>
        answerLoss(model.parameters, config, batch(step, micro), dropoutOf(optimization, step, micro)),
      metrics: (step) => ({ tokens: countTargets(step, optimization.accumulation, batch) }),
    });
  } finally {
    model.dispose();
  }
}

/** Mean negative log-likelihood in nats of the answers' tokens in packed rows. Call inside tf.tidy. */
export function answerLoss(
  parameters: ParameterLookup,
  config: ModelConfig,
  rows: readonly PackedRow[],
  dropout?: Dropout,
): tf.Scalar {
  const { inputs, positions, mask, targets, weights } = chatBatch(rows);
  const hidden = forward(parameters, config, inputs, { positions, mask, ...(dropout && { dropout }) });
  const z = logits(parameters, config, tf.reshape(hidden, [-1, config.width]));
  return crossEntropy(z, targets, weights);
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
  parameters: ParameterLookup;
  trainable: Parameters;
  snapshot?: () => Promise<{ weights: HostTensors; optimizer: HostTensors }>;
  dispose: () => void;
}

function fullModel({ weights, resume }: FinetuneOptions): FinetunedModel {
  const trainable = loadParameters(resume?.weights ?? weights);
  return { parameters: lookup(trainable), trainable, dispose: () => disposeParameters(trainable) };
}

function adaptedModel({ weights, optimization, resume }: FinetuneOptions, lora: LoraConfig): FinetunedModel {
  validateLora(lora, weights);
  const fresh = initAdapters(weights, lora, optimization.seed);
  const base = loadParameters(weights, { trainable: false });
  const trainable = loadParameters(resume ? savedAdapters(fresh, resume) : fresh);
  return {
    parameters: adaptedLookup(lookup(base), trainable, lora),
    trainable,
    snapshot: async () => {
      const adapters = await toHost(trainable);
      return { weights: await mergeAdapters(weights, adapters, lora), optimizer: adapters };
    },
    dispose: () => {
      disposeParameters(base);
      disposeParameters(trainable);
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
