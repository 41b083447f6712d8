import * as tf from '@tensorflow/tfjs-core';
import { TrainyardError } from '@trainyard/contracts';
import type { Execution, Tensors } from '@trainyard/tensor';
import { float32, type HostTensors, int32 } from '../host-tensor.ts';
import { crossEntropy, tokenLogProbabilities } from '../model/cross-entropy.ts';
import { dropoutSeed } from '../model/dropout.ts';
import { forward, head } from '../model/forward.ts';
import { type ModelConfig, validateModelConfig } from '../model/model-config.ts';
import { checkParameters, initParameters, type ParameterLookup } from '../model/parameters.ts';
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
  execution?: Execution;
}

/**
 * Self-supervised learning on unlabelled text.
 * @throws TrainyardError invalid_config when config and objective do not fit, incompatible_checkpoint when the weights
 *   to start from are not the config's.
 */
export async function* pretrain(options: PretrainOptions): AsyncGenerator<TrainingEvent, void, void> {
  const { config, optimization, control, resume, execution } = options;
  validate(options);
  const start = resume?.weights ?? options.initial;
  if (start) checkParameters(start, config);
  const { seed, dropout: rate = 0, batchSize, accumulation } = optimization;
  yield* runSteps({
    weights: () => start ?? initParameters(config, seed),
    optimization,
    control,
    ...(resume && { resume }),
    ...(execution && { execution }),
    batch: (step, micro) => ({
      ...toBatch(batchAt(options, step, micro), config),
      dropout: dropoutSeed(seed, step, micro),
    }),
    loss: ({ trained }, batch) => objectiveLoss(trained, config, batch, rate),
    metrics: () => ({ tokens: batchSize * accumulation * config.contextLength }),
  });
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

/** `tokens` int32 [B,T], `places` int32 [N] where not all are scored, `targets` int32 [N], `weights` [N]. */
function toBatch({ inputs, places, targets }: ObjectiveBatch, { contextLength }: ModelConfig): HostTensors {
  return {
    tokens: int32(inputs, [inputs.length / contextLength, contextLength]),
    ...(places && { places: int32(places) }),
    targets: int32(targets),
    weights: float32(new Float32Array(targets.length).fill(1)),
  };
}

/** Mean negative log-likelihood in nats over the scored places. */
function objectiveLoss(
  parameters: ParameterLookup,
  config: ModelConfig,
  { tokens, places, targets, weights, dropout: seed }: Tensors,
  rate: number,
): tf.Scalar {
  const dropout = { rate, seed: seed as tf.Tensor1D };
  const hidden = forward(parameters, config, tokens as tf.Tensor2D, { dropout });
  const rows = tf.reshape(hidden, [-1, config.width]) as tf.Tensor2D;
  const scored = places ? tf.gather(rows, places as tf.Tensor1D) : rows;
  const scores = tokenLogProbabilities(scored, head(parameters, config), targets as tf.Tensor1D);
  return crossEntropy(scores, weights as tf.Tensor1D);
}
