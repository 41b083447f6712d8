export interface Schedule {
  schedule: 'constant' | 'cosine' | 'warmup_stable_decay';
  /** Peak. */
  learningRate: number;
  /** Steps of linear rise to the peak. */
  warmupSteps: number;
  /** Last learning rate as a share of the peak. */
  minLearningRateRatio: number;
}

/** Share of the steps over which `warmup_stable_decay` falls (Hu et al. 2024, MiniCPM: about a tenth; 0.2 is safer for short runs). */
const DECAY_SHARE = 0.2;

/** Learning rate of the step with index `step`, 0 <= step < totalSteps. */
export function learningRate(plan: Schedule, step: number, totalSteps: number): number {
  const { schedule, learningRate: peak, warmupSteps, minLearningRateRatio: floor } = plan;
  if (step < warmupSteps) return (peak * (step + 1)) / warmupSteps;
  if (schedule === 'constant') return peak;
  const decaySteps =
    schedule === 'cosine'
      ? totalSteps - warmupSteps
      : Math.min(Math.ceil(totalSteps * DECAY_SHARE), totalSteps - warmupSteps);
  const progress = Math.max(0, (step + 1 - (totalSteps - decaySteps)) / decaySteps);
  const share = schedule === 'cosine' ? (1 + Math.cos(Math.PI * progress)) / 2 : 1 - progress;
  return peak * (floor + (1 - floor) * share);
}
