import { TrainyardError } from '@trainyard/contracts';
import type { Execution } from '@trainyard/tensor';
import { openGenerator } from '../generate.ts';
import type { HostTensors } from '../host-tensor.ts';
import type { ModelConfig } from '../model/model-config.ts';
import { checkParameters, disposeParameters } from '../model/parameters.ts';
import {
  completionFunctions,
  completionLoss,
  microBatch,
  rolloutBatch,
  rolloutRows,
} from './completion-loss.ts';
import { epochOrder } from './epoch-order.ts';
import type { GrpoObjective } from './grpo-loss.ts';
import { refuseDropout } from './refuse-dropout.ts';
import { rolloutFromHost, rolloutToHost } from './rollout.ts';
import { type Prompt, type RolloutSampling, sampleRollout } from './sample-rollout.ts';
import {
  type Control,
  type Model,
  type Optimization,
  runSteps,
  type TrainingEvent,
  type TrainingState,
} from './training.ts';

export interface GrpoOptions extends RolloutSampling, GrpoObjective {
  /** The assistant to train; as it is here it is also the frozen reference. */
  weights: HostTensors;
  config: ModelConfig;
  prompts: readonly Prompt[];
  /**
   * `steps` are optimizer steps. A step learns from promptsPerStep * groupSize answers, split into `accumulation`
   * micro batches; `batchSize` is not used.
   */
  optimization: Optimization;
  promptsPerStep: number;
  /** Optimizer steps on each batch of answers. */
  updatesPerRollout: number;
  /** Report the answers of every so many rollouts; 10 unless given. */
  samplesEvery?: number;
  control: Control;
  resume?: TrainingState;
  execution?: Execution;
}

/**
 * Group relative policy optimization (Shao et al. 2024, "DeepSeekMath", section 4.1): the model writes several answers
 * to each prompt, `judge` rewards them, and each is made more or less likely by how much better it is than its group.
 * Rollouts are drawn from (seed, rollout) with the weights of that step, so that a resumed run replays them; a
 * checkpoint between two updates on one rollout carries it. Resuming needs the original `weights`, as the reference.
 * Log-probabilities are those of the distribution sampled from, at `temperature`.
 * @throws TrainyardError `invalid_data` for no prompts or one that leaves no room for an answer, `invalid_config` for
 *   a group below 2 or a temperature of 0, `incompatible_checkpoint` when the weights are not those of `config`.
 */
export async function* grpo(options: GrpoOptions): AsyncGenerator<TrainingEvent, void, void> {
  validateGrpo(options);
  const { weights, config, optimization, updatesPerRollout, resume, control, execution } = options;
  const order = epochOrder(optimization.seed, options.prompts.length);
  const midRollout = (step: number) => step % updatesPerRollout !== 0;
  const writer = openGenerator(config, execution);
  let rows = resume && midRollout(resume.step) ? rolloutFromHost(resume.optimizer) : [];
  let metrics: Record<string, number> = {};

  let step = resume?.step ?? 0;

  async function rollOut(model: Model): Promise<TrainingEvent[]> {
    const rollout = step / updatesPerRollout;
    const prompts = drawPrompts(options, order, rollout);
    const stream = { seed: optimization.seed, rollout };
    const policy = model.weights();
    writer.load(policy);
    disposeParameters(policy);
    const sampled = await sampleRollout(writer, prompts, options, stream);
    metrics = sampled.metrics;
    rows = await rolloutRows(sampled.completions, model, options);
    const reported = rollout % (options.samplesEvery ?? 10) === 0;
    return reported ? [{ type: 'samples', step: step + 1, samples: sampled.samples }] : [];
  }

  try {
    yield* runSteps({
      weights: () => resume?.weights ?? weights,
      frozen: weights,
      optimization,
      control,
      ...(resume && { resume }),
      ...(execution && { execution }),
      prepare: async (current, model) => {
        step = current;
        metrics = {};
        return midRollout(step) ? [] : rollOut(model);
      },
      batch: (_, micro) => rolloutBatch(microBatch(rows, micro, optimization.accumulation), options),
      loss: ({ trained }, batch) => completionLoss(trained, batch, options),
      functions: completionFunctions(options),
      metrics: () => metrics,
      snapshot: async (trained) => ({
        weights: trained,
        ...(midRollout(step + 1) && { optimizer: rolloutToHost(rows) }),
      }),
    });
  } finally {
    writer.dispose();
  }
}

function drawPrompts(
  { prompts, promptsPerStep }: GrpoOptions,
  order: (draw: number) => number,
  rollout: number,
): Prompt[] {
  const first = rollout * promptsPerStep;
  return Array.from({ length: promptsPerStep }, (_, i) => prompts[order(first + i)]!);
}

function validateGrpo(options: GrpoOptions): void {
  const { weights, config, prompts, groupSize, temperature, maxNewTokens, optimization } = options;
  checkParameters(weights, config);
  refuseDropout(optimization);
  const invalid = (param: string, message: string) =>
    new TrainyardError('invalid_config', message, { param });
  if (groupSize < 2)
    throw invalid('groupSize', `groupSize is ${groupSize}; answers are compared, so write at least 2.`);
  if (!(temperature > 0))
    throw invalid('temperature', `temperature is ${temperature}; it must be above 0 to vary answers.`);
  if (prompts.length === 0)
    throw new TrainyardError('invalid_data', 'There are no prompts: add at least one.');
  const room = config.contextLength - maxNewTokens;
  const wrong = prompts.findIndex(({ tokens }) => tokens.length === 0 || tokens.length > room);
  if (wrong >= 0) {
    throw new TrainyardError(
      'invalid_data',
      `Prompt ${wrong + 1} has ${prompts[wrong]!.tokens.length} tokens; with maxNewTokens ${maxNewTokens} it must have 1 to ${room}.`,
      { details: [{ message: 'The prompt does not fit the context.', line: wrong + 1 }] },
    );
  }
}
