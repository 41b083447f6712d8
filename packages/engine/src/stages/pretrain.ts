import * as tf from '@tensorflow/tfjs-core';
import { TrainyardError } from '@trainyard/contracts';
import type { HostTensors } from '../host-tensor.ts';
import { crossEntropy } from '../model/cross-entropy.ts';
import type { Dropout } from '../model/dropout.ts';
import { forward, logits } from '../model/forward.ts';
import { type ModelConfig, validateModelConfig } from '../model/model-config.ts';
import {
  checkParameters,
  disposeParameters,
  initParameters,
  loadParameters,
  lookup,
  type ParameterLookup,
} from '../model/parameters.ts';
import { random } from '../random.ts';
import {
  fillInTheMiddle,
  masked,
  nextWord,
  type Objective,
  type ObjectiveBatch,
  type Vocabulary,
} from './objectives.ts';
import {
  type Control,
  type Optimization,
  runSteps,
  type TrainingEvent,
  type TrainingState,
} from './training.ts';

export interface PretrainOptions {
  config: ModelConfig;
  objective: Objective;
  /** Share of tokens to predict; objective `masked`. */
  maskingRate: number;
  /** Share of documents rearranged; objective `fill_in_the_middle`. */
  fimRate: number;
  /** Windows of packed text, [batchSize * (contextLength + 1)]; a pure function of its place in the run. */
  sample: (step: number, micro: number) => Int32Array;
  vocabulary: Vocabulary;
  optimization: Optimization;
  /** Weights to start from; fresh ones by the run's seed unless given. */
  initial?: HostTensors;
  control: Control;
  resume?: TrainingState;
}

/**
 * Self-supervised learning on unlabelled text.
 * @throws TrainyardError invalid_config when config and objective do not fit, incompatible_checkpoint when the weights
 *   to start from are not the config's.
 */
export async function* pretrain(options: PretrainOptions): AsyncGenerator<TrainingEvent, void, void> {
  const { config, optimization, control, resume } = options;
  validate(options);
  const initial = resume?.weights ?? options.initial ?? initParameters(config, optimization.seed);
  checkParameters(initial, config);
  const trainable = loadParameters(initial);
  const { seed, dropout: rate = 0, batchSize, accumulation } = optimization;
  try {
    yield* runSteps({
      trainable,
      optimization,
      control,
      ...(resume && { resume }),
      microBatchLoss: (step, micro) =>
        objectiveLoss(lookup(trainable), config, batchAt(options, step, micro), {
          rate,
          seed,
          pass: [step, micro],
        }),
      metrics: () => ({ tokens: batchSize * accumulation * config.contextLength }),
    });
  } finally {
    disposeParameters(trainable);
  }
}

function validate({ config, objective }: PretrainOptions): void {
  validateModelConfig(config);
  const needed = objective === 'masked' ? 'bidirectional' : 'causal';
  if (config.attention !== needed)
    throw new TrainyardError(
      'invalid_config',
      `The objective ${objective} needs ${needed} attention, but the model's is ${config.attention}.`,
      { param: 'objective' },
    );
}

function batchAt(options: PretrainOptions, step: number, micro: number): ObjectiveBatch {
  const { objective, config, vocabulary, optimization, maskingRate, fimRate } = options;
  const windows = options.sample(step, micro);
  const uniform = random(optimization.seed, objective, step, micro);
  switch (objective) {
    case 'next_word':
      return nextWord(windows, config.contextLength);
    case 'masked':
      return masked(windows, config.contextLength, maskingRate, vocabulary, uniform);
    case 'fill_in_the_middle':
      return fillInTheMiddle(windows, config.contextLength, fimRate, vocabulary, uniform);
  }
}

/** Mean negative log-likelihood in nats over the scored places. */
function objectiveLoss(
  parameters: ParameterLookup,
  config: ModelConfig,
  { inputs, places, targets }: ObjectiveBatch,
  dropout: Dropout,
): tf.Scalar {
  const { contextLength, width } = config;
  const tokens = tf.tensor2d(inputs, [inputs.length / contextLength, contextLength]);
  const hidden = tf.reshape(forward(parameters, config, tokens, { dropout }), [inputs.length, width]);
  const scored = places ? tf.gather(hidden, tf.tensor1d(places, 'int32')) : hidden;
  const scores = logits(parameters, config, scored as tf.Tensor2D);
  return crossEntropy(scores, tf.tensor1d(targets, 'int32'), tf.ones([targets.length]));
}
