import { type Optimization, pretrain } from '@trainyard/engine';
import { Tokenizer } from '@trainyard/tokenizer';
import type { ModelSpec, Workload } from './spec.ts';
import { sampleWindows } from './token-stream.ts';

/** Never reached: a step runs when it is asked for. */
const STEPS = 1_000_000;

/** An iteration is one optimizer step: what lies between two `metrics` events of `pretrain`. */
export function openTrain(spec: ModelSpec): Workload {
  const { model, batch, seed } = spec;
  const optimization: Optimization = {
    steps: STEPS,
    batchSize: batch,
    accumulation: 1,
    learningRate: 1e-3,
    schedule: 'constant',
    warmupSteps: 0,
    minLearningRateRatio: 1,
    weightDecay: 0.1,
    beta1: 0.9,
    beta2: 0.95,
    gradientClip: 1,
    seed,
  };
  const events = pretrain({
    execution: spec.engine,
    config: model,
    objective: 'next_word',
    maskingRate: 0,
    fimRate: 0,
    vocabulary: { vocabSize: model.vocabSize, special: Tokenizer.fromMerges(new Int32Array(), 64).special },
    sample: (step) => sampleWindows(model, batch, seed, step),
    optimization,
    control: () => 'continue',
  });
  let loss = Number.NaN;
  return {
    async iterate() {
      const { value: event } = await events.next();
      if (event?.type !== 'metrics') throw new Error('A train step gave no metrics.');
      loss = event.values.loss!;
    },
    facts: () => ({ loss }),
  };
}
