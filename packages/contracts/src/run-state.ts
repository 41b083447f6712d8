import { TrainyardError } from './errors.ts';
import { OneOf } from './schema.ts';

export const RUN_STATES = [
  'waiting',
  'queued',
  'starting',
  'running',
  'pausing',
  'paused',
  'cancelling',
  'awaiting_feedback',
  'recovering',
  'blocked_storage',
  'succeeded',
  'failed',
  'cancelled',
] as const;
export type RunState = (typeof RUN_STATES)[number];
export const RunStateSchema = OneOf(RUN_STATES);

/** What can happen to a run. */
export type RunEventName =
  | 'release' // every parent succeeded: a waiting stage may start
  | 'claim' // a worker took the run: epoch + 1, lease
  | 'start' // its trainer process has loaded everything and makes steps
  | 'succeed'
  | 'fail'
  | 'pause'
  | 'acknowledge_pause'
  | 'resume'
  | 'cancel'
  | 'acknowledge_cancel'
  | 'lose' // the lease ran out: the worker is dead or out of reach
  | 'hand_back' // the worker stops in good order and gives the run back
  | 'block' // the store is full or out of reach: no checkpoint can be written
  | 'unblock' // there is room again
  | 'await_feedback'
  | 'receive_feedback'
  | 'retry'
  | 'revive'; // a parent that had failed is tried again

type Transitions = { readonly [E in RunEventName]: { readonly [S in RunState]?: RunState } };

/** The one transition table. What is not in it cannot happen. */
export const TRANSITIONS: Transitions = {
  release: { waiting: 'queued' },
  claim: { queued: 'starting', recovering: 'starting' },
  start: { starting: 'running' },
  succeed: { starting: 'succeeded', running: 'succeeded', pausing: 'succeeded', cancelling: 'succeeded' },
  fail: {
    starting: 'failed',
    running: 'failed',
    pausing: 'failed',
    cancelling: 'failed',
    recovering: 'failed',
  },
  pause: {
    queued: 'paused',
    recovering: 'paused',
    blocked_storage: 'paused',
    starting: 'pausing',
    running: 'pausing',
  },
  acknowledge_pause: { pausing: 'paused' },
  resume: { paused: 'queued', pausing: 'running' },
  cancel: {
    waiting: 'cancelled',
    queued: 'cancelled',
    recovering: 'cancelled',
    paused: 'cancelled',
    awaiting_feedback: 'cancelled',
    blocked_storage: 'cancelled',
    starting: 'cancelling',
    running: 'cancelling',
    pausing: 'cancelling',
  },
  acknowledge_cancel: { cancelling: 'cancelled' },
  lose: { starting: 'recovering', running: 'recovering', pausing: 'paused', cancelling: 'cancelled' },
  hand_back: { starting: 'queued', running: 'queued', pausing: 'paused', cancelling: 'cancelled' },
  block: {
    starting: 'blocked_storage',
    running: 'blocked_storage',
    pausing: 'paused',
    cancelling: 'cancelled',
  },
  unblock: { blocked_storage: 'queued' },
  await_feedback: { running: 'awaiting_feedback' },
  receive_feedback: { awaiting_feedback: 'queued' },
  retry: { failed: 'queued', cancelled: 'queued' },
  revive: { cancelled: 'waiting' },
};

/** States in which a worker holds the run's lease. */
export const LEASED_STATES = [
  'starting',
  'running',
  'pausing',
  'cancelling',
] as const satisfies readonly RunState[];
/** States in which a worker may claim the run, so that it must be in the queue. */
export const DELIVERABLE_STATES = ['queued', 'recovering'] as const satisfies readonly RunState[];
export const FINAL_STATES = ['succeeded', 'failed', 'cancelled'] as const satisfies readonly RunState[];

export const isFinal = (state: RunState): boolean => (FINAL_STATES as readonly RunState[]).includes(state);
export const isLeased = (state: RunState): boolean => (LEASED_STATES as readonly RunState[]).includes(state);
export const isDeliverable = (state: RunState): boolean =>
  (DELIVERABLE_STATES as readonly RunState[]).includes(state);

/** The state after `event`. Throws `invalid_state` if the event cannot happen in `state`. */
export function transition(state: RunState, event: RunEventName): RunState {
  const next = TRANSITIONS[event][state];
  if (next) return next;
  const from = Object.keys(TRANSITIONS[event]).join(', ');
  throw new TrainyardError(
    'invalid_state',
    `A run that is ${state} cannot ${event}; that needs one of: ${from}.`,
  );
}

/** Why a run ended, apart from its state: who or what has to act. */
export const TERMINATION_REASONS = [
  'completed',
  'user_error',
  'cancelled_by_user',
  'parent_failed',
  'infrastructure',
  'quota',
] as const;
export type TerminationReason = (typeof TERMINATION_REASONS)[number];
export const TerminationReasonSchema = OneOf(TERMINATION_REASONS);
