import type { Optimization as OptimizationConfig } from '@trainyard/contracts';
import type { Optimization } from '@trainyard/engine';

/** The engine's spelling of a stage's `optimization`. */
export const toOptimization = (config: OptimizationConfig, seed: number): Optimization => ({
  steps: config.steps,
  batchSize: config.batch_size,
  accumulation: config.accumulation,
  learningRate: config.learning_rate,
  schedule: config.schedule,
  warmupSteps: config.warmup_steps,
  minLearningRateRatio: config.min_learning_rate_ratio,
  weightDecay: config.weight_decay,
  beta1: config.beta1,
  beta2: config.beta2,
  gradientClip: config.gradient_clip,
  dropout: config.dropout,
  seed,
});
