import { isLeased, type RunState, transition } from '@trainyard/contracts';
import { afterAttempt, claimed, type OutcomeKind, type RunStanding, type Step } from '../../src/lifecycle.ts';
import { type Decisions, LEASE, PRODUCT } from './decisions.ts';

/** An end of an attempt whose count of barren attempts is another. */
const counting =
  (count: (run: RunStanding, step: Step, outcome: OutcomeKind) => number | undefined) =>
  (run: RunStanding, outcome: OutcomeKind, progressed: boolean): Step => {
    const step = afterAttempt(run, outcome, progressed);
    const barrenAttempts = count(run, step, outcome);
    return { ...step, changes: { ...step.changes, barrenAttempts: barrenAttempts ?? run.barrenAttempts } };
  };

/** Decisions that are wrong in one place, and what the model must say of each. */
export const BROKEN: [what: string, decisions: Partial<Decisions>, violation: RegExp][] = [
  [
    'a fence that ignores the epoch',
    { fenceHolds: (run) => isLeased(run.state) },
    /still can write|stale .* accepted/,
  ],
  [
    'a fence that ignores the state',
    { fenceHolds: (run, epoch) => run.epoch === epoch },
    /still can write|stale .* accepted/,
  ],
  [
    'a heartbeat that ignores the epoch',
    { heartbeatHolds: (run) => isLeased(run.state) },
    /stale heartbeat .* accepted/,
  ],
  [
    'an expiry that does not look at the lease',
    { leaseRanOut: (run) => isLeased(run.state) },
    /taken over before its lease ran out/,
  ],
  [
    "a lease by the worker's clock",
    { leaseUntil: (_now, senderWall) => senderWall + LEASE },
    /taken over before its lease ran out|is still/,
  ],
  [
    'a claim that does not raise the epoch',
    {
      claimed: (run) => {
        const step = claimed(run);
        return step && { ...step, changes: { ...step.changes, epoch: run.epoch } };
      },
    },
    /did not raise the epoch/,
  ],
  [
    'a claim of whatever is delivered',
    {
      transition: (state, event) => (event === 'claim' ? 'starting' : transition(state, event)),
      claimed: (run) => ({
        event: 'claim',
        to: 'starting',
        changes: { epoch: run.epoch + 1, attempts: run.attempts + 1 },
      }),
    },
    /by claim, which the table does not have/,
  ],
  [
    'a death that forgets a pause',
    {
      transition: (state, event): RunState => {
        const forgets = event === 'lose' && state === 'pausing';
        return forgets ? 'recovering' : transition(state, event);
      },
    },
    /by lose, which the table does not have/,
  ],
  ['a recovered run that is not delivered', { isDeliverable: (state) => state === 'queued' }, /is still/],
  ['a blocked run that stays blocked', { mayUnblock: () => false }, /is still blocked_storage/],
  [
    'a budget that never resets',
    { afterAttempt: (run, outcome) => afterAttempt(run, outcome, false) },
    /was quarantined after/,
  ],
  ['a budget that never counts', { afterAttempt: counting(() => 0) }, /was not quarantined after/],
  [
    'a budget that only a death restores',
    {
      afterAttempt: (run, outcome, progressed) =>
        afterAttempt(run, outcome, outcome === 'crashed' && progressed),
    },
    /was quarantined after/,
  ],
  [
    'a budget that is exceeded by deaths while pausing',
    {
      afterAttempt: counting((run, step, outcome) =>
        outcome === 'crashed' && step.changes.barrenAttempts !== 0
          ? run.barrenAttempts + 1
          : step.changes.barrenAttempts,
      ),
    },
    /more barren attempts than it may/,
  ],
  [
    'damage after which an attempt counts from its own checkpoint',
    { startAfterDamage: (_startStep, before) => before },
    /on the curve twice|was quarantined after/,
  ],
  ['damage that leaves metrics past it', { keepsAfterDamage: () => true }, /has a gap/],
  [
    'a curve that drops what a new attempt has not reached',
    { supersedes: (attempt, metric) => attempt.epoch > metric.epoch },
    /has a gap|its last checkpoint is at/,
  ],
];

export const broken = (change: Partial<Decisions>): Decisions => ({ ...PRODUCT, ...change });
