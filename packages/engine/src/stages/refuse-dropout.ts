import { TrainyardError } from '@trainyard/contracts';
import type { Optimization } from './training.ts';

/** Throws invalid_config: stages that compare likelihoods of two models cannot have one of them at random. */
export function refuseDropout({ dropout = 0 }: Optimization): void {
  if (dropout === 0) return;
  throw new TrainyardError(
    'invalid_config',
    'This stage compares likelihoods with a reference, which dropout would blur: set dropout to 0.',
    { param: 'optimization.dropout' },
  );
}
