import { initParameters, loadParameters, openLikelihood } from '@trainyard/engine';
import type { ModelSpec, Workload } from './spec.ts';
import { sampleWindows } from './token-stream.ts';

/** An iteration is one forward pass with its loss, of texts that fill the context: what evaluation does. */
export function openForward({ model, batch, seed, engine }: ModelSpec): Workload {
  const scorer = openLikelihood(loadParameters(initParameters(model, seed)), model, engine);
  const windows = sampleWindows(model, batch, seed, 0);
  const length = model.contextLength;
  const rows = Array.from({ length: batch }, (_, row) =>
    windows.subarray(row * (length + 1), (row + 1) * (length + 1)),
  );
  const inputs = Int32Array.from(rows.flatMap((row) => [...row.subarray(0, length)]));
  const targets = Int32Array.from(rows.flatMap((row) => [...row.subarray(1)]));
  let loss = Number.NaN;
  return {
    async iterate() {
      const scores = await scorer.logProbabilities(inputs, targets, batch);
      loss = -scores.reduce((sum, score) => sum + score, 0) / scores.length;
    },
    facts: () => ({ loss }),
  };
}
