import {
  isDeliverable,
  isLeased,
  type RunEventName,
  type RunState,
  type TerminationReason,
  transition,
} from '@trainyard/contracts';

/** What decides about a run: the part of its row that leases, epochs and budgets are made of. */
export interface RunStanding {
  state: RunState;
  epoch: number;
  attempts: number;
  /** Deaths since the last attempt that made progress, however it ended, and how many of them end the run. */
  barrenAttempts: number;
  maxAttempts: number;
}

/** How an attempt ended. `blocked`: its checkpoint could not be stored; `crashed`: it died. */
export type OutcomeKind =
  | 'succeeded'
  | 'failed'
  | 'crashed'
  | 'blocked'
  | 'paused'
  | 'cancelled'
  | 'handed_back';

/** What a heartbeat brings back. */
export type Order = 'continue' | 'pause' | 'cancel' | 'fenced';

/** What happens to a run, and what changes with it. */
export interface Step {
  event: RunEventName;
  to: RunState;
  changes: Partial<Pick<RunStanding, 'epoch' | 'attempts' | 'barrenAttempts'>> & {
    terminationReason?: TerminationReason;
  };
  /** The run is taken out of circulation: too many deaths without progress. */
  quarantined?: true;
}

const step = (run: RunStanding, event: RunEventName, changes: Step['changes'] = {}): Step => ({
  event,
  to: transition(run.state, event),
  changes,
});

/** A claim raises the epoch, which fences whoever had the run before. Undefined if the run is not to be had. */
export function claimed(run: RunStanding): Step | undefined {
  if (!isDeliverable(run.state)) return undefined;
  return step(run, 'claim', { epoch: run.epoch + 1, attempts: run.attempts + 1 });
}

/** Whether a worker that claimed the run in `epoch` may still write. */
export const fenceHolds = (run: Pick<RunStanding, 'state' | 'epoch'>, epoch: number): boolean =>
  run.epoch === epoch && isLeased(run.state);

/** What a worker whose fence holds is to do. */
export function orderOf(state: RunState): Order {
  if (state === 'pausing') return 'pause';
  return state === 'cancelling' ? 'cancel' : 'continue';
}

/**
 * Where an attempt counts from once it goes on from step `before`, its own checkpoint or an older one: what it wrote
 * before still supersedes older epochs.
 */
export const startAfterDamage = (startStep: number, before: number): number => Math.min(startStep, before);

/** Where a run goes when its attempt ends; `progressed`: the attempt left a checkpoint past the one it began with. */
export function afterAttempt(run: RunStanding, outcome: OutcomeKind, progressed: boolean): Step {
  const left = { ...(progressed && { barrenAttempts: 0 }), ...cancelReason(run) };
  switch (outcome) {
    case 'succeeded':
      return step(run, 'succeed', { terminationReason: 'completed' });
    case 'failed':
      return step(run, 'fail');
    case 'crashed':
      return afterDeath(run, progressed);
    case 'blocked':
      return step(run, 'block', left);
    case 'paused':
      // Resumed or cancelled meanwhile: as if it had been handed back.
      return step(run, run.state === 'pausing' ? 'acknowledge_pause' : 'hand_back', left);
    case 'cancelled':
      return step(run, 'acknowledge_cancel', { terminationReason: 'cancelled_by_user' });
    case 'handed_back':
      return step(run, 'hand_back', left);
  }
}

/**
 * Back into the queue if the attempt made progress or the budget of barren attempts is not used up; else failed. What
 * was to be paused or cancelled is, and has one more attempt where it is resumed with its budget used up.
 */
function afterDeath(run: RunStanding, progressed: boolean): Step {
  const barrenAttempts = progressed ? 0 : Math.min(run.barrenAttempts + 1, run.maxAttempts);
  const steered = run.state === 'pausing' || run.state === 'cancelling';
  if (barrenAttempts >= run.maxAttempts && !steered)
    return {
      ...step(run, 'fail', { barrenAttempts, terminationReason: 'infrastructure' }),
      quarantined: true,
    };
  return step(run, 'lose', { barrenAttempts, ...cancelReason(run) });
}

const cancelReason = (run: RunStanding): Step['changes'] =>
  run.state === 'cancelling' ? { terminationReason: 'cancelled_by_user' } : {};
