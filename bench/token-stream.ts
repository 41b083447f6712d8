import { type ModelConfig, random } from '@trainyard/engine';

/**
 * Windows [batch * (context + 1)] of a language that can be learnt: each token has four successors, all as likely, so
 * that the loss of a model that trains falls from ln(vocabulary) towards ln 4. A pure function of seed and step.
 */
export function sampleWindows(
  { vocabSize, contextLength }: ModelConfig,
  batch: number,
  seed: number,
  step: number,
): Int32Array {
  const uniform = random(seed, 'windows', step);
  const length = contextLength + 1;
  const windows = new Int32Array(batch * length);
  for (let row = 0; row < batch; row++) {
    let token = Math.floor(uniform() * vocabSize);
    for (let i = 0; i < length; i++) {
      windows[row * length + i] = token;
      token = (7 * token + 1 + 13 * Math.floor(4 * uniform())) % vocabSize;
    }
  }
  return windows;
}

/** Texts of `length` tokens each. */
export function sampleTexts(model: ModelConfig, count: number, length: number, seed: number): Int32Array[] {
  const windows = sampleWindows(model, count, seed, 0);
  const stride = model.contextLength + 1;
  return Array.from({ length: count }, (_, row) => windows.slice(row * stride, row * stride + length));
}
