import type { Execution } from '@trainyard/tensor';
import { int32 } from './host-tensor.ts';
import type { ModelConfig } from './model/model-config.ts';
import { openModel } from './model/open-model.ts';
import type { Parameters } from './model/parameters.ts';
import { targetLogProbabilities } from './stages/target-log-probabilities.ts';

/** Says how likely a causal model holds given tokens. */
export interface Likelihood {
  /** Log-probability [rows * length] of each target after its inputs; both of `rows` sequences, one after another. */
  logProbabilities(inputs: Int32Array, targets: Int32Array, rows: number): Promise<Float32Array>;
  dispose(): void;
}

/** The caller keeps `params`. Keep it for several batches: it is compiled for each shape. */
export function openLikelihood(params: Parameters, config: ModelConfig, execution?: Execution): Likelihood {
  const model = openModel(
    params,
    { score: (weights, batch) => targetLogProbabilities(weights, config, batch) },
    execution,
  );
  return {
    logProbabilities: (inputs, targets, rows) =>
      model.run('score', {
        inputs: int32(inputs, [rows, inputs.length / rows]),
        targets: int32(targets),
      }),
    dispose: () => model.dispose(),
  };
}
