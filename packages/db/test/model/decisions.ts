import { isDeliverable, isLeased, type RunState, transition } from '@trainyard/contracts';
import { afterAttempt, claimed, fenceHolds, orderOf, startAfterDamage } from '../../src/lifecycle.ts';

/** Seconds of a lease, and those that a blocked run waits at least. */
export const LEASE = 10;
export const BLOCKED = 5;

/**
 * All that decides in the model: the product's own functions, and below them the conditions that the product states in
 * SQL, each beside the statement that it mirrors. Times are seconds by Postgres' clock unless they say otherwise.
 */
export const PRODUCT = {
  transition,
  isDeliverable,
  claimed,
  fenceHolds,
  orderOf,
  afterAttempt,
  startAfterDamage,

  /** `renewLease` and `heartbeat` in attempts.ts: `now() + seconds`. The sender's wall clock is not asked. */
  leaseUntil: (now: number, _senderWall: number): number => now + LEASE,

  /** `heartbeat` in attempts.ts: `WHERE epoch = ... AND state IN (...)`. */
  heartbeatHolds: (run: { state: RunState; epoch: number }, epoch: number): boolean =>
    run.epoch === epoch && isLeased(run.state),

  /** `expiredRuns` and `recoverExpired` in attempts.ts: `lease_expires_at < now() AND state IN (...)`. */
  leaseRanOut: (run: { state: RunState; leaseExpiresAt: number | null }, now: number): boolean =>
    run.leaseExpiresAt !== null && run.leaseExpiresAt < now && isLeased(run.state),

  /** `blockedRuns` in runs.ts: `state = 'blocked_storage' AND a.ended_at < now() - 5 seconds`. */
  mayUnblock: (run: { state: RunState; attemptEndedAt: number }, now: number): boolean =>
    run.state === 'blocked_storage' && run.attemptEndedAt < now - BLOCKED,

  /** `progressed` in attempts.ts. */
  progressed: (furthest: number, startStep: number): boolean => furthest > startStep,

  /** `goOnFrom` in checkpoints.ts: the attempt's own metrics past the step that it goes back to are deleted. */
  keepsAfterDamage: (metric: { epoch: number; step: number }, epoch: number, before: number): boolean =>
    metric.epoch !== epoch || metric.step <= before,

  /** `listMetrics` in metrics.ts: a step past the least `start_step` of the later attempts. */
  supersedes: (
    attempt: { epoch: number; startStep: number },
    metric: { epoch: number; step: number },
  ): boolean => attempt.epoch > metric.epoch && attempt.startStep < metric.step,
};
export type Decisions = typeof PRODUCT;
