import { flopsPerToken } from '@trainyard/engine';
import type { ModelSpec } from './spec.ts';

/** What one iteration amounts to. */
export interface Work {
  /** Trained on, scored, or drawn. */
  tokens: number;
  /** Floating-point operations. */
  flops: number;
}

/**
 * `flopsPerToken` is of training, forward and backward; a forward pass is a third of it. In generation every token but
 * the last drawn passes through the model once, looking back on half of them on average.
 */
export function workOf(spec: Omit<ModelSpec, 'engine'>): Work {
  const { workload, model, batch, promptLength, newTokens } = spec;
  const tokens = batch * model.contextLength;
  const training = tokens * flopsPerToken(model, model.contextLength);
  switch (workload) {
    case 'train':
      return { tokens, flops: training };
    case 'forward':
      return { tokens, flops: training / 3 };
    case 'generate': {
      const passed = promptLength + newTokens - 1;
      return { tokens: batch * newTokens, flops: (batch * passed * flopsPerToken(model, passed / 2)) / 3 };
    }
  }
}
