import { expect, it } from 'vitest';
import {
  DELIVERABLE_STATES,
  FINAL_STATES,
  isDeliverable,
  isFinal,
  isLeased,
  LEASED_STATES,
  RUN_STATES,
  type RunEventName,
  type RunState,
  TRANSITIONS,
  transition,
} from '../src/run-state.ts';

const EVENTS = Object.keys(TRANSITIONS) as RunEventName[];
const WAYS = EVENTS.flatMap((event) =>
  (Object.entries(TRANSITIONS[event]) as [RunState, RunState][]).map(([from, to]) => ({ event, from, to })),
);
const leadingTo = (wanted: (state: RunState) => boolean) =>
  new Set(WAYS.filter(({ from, to }) => !wanted(from) && wanted(to)).map(({ event }) => event));

// One row per state and event that can happen in it, written down apart from the table.
const EXPECTED: Record<RunState, Partial<Record<RunEventName, RunState>>> = {
  waiting: { release: 'queued', cancel: 'cancelled' },
  queued: { claim: 'starting', pause: 'paused', cancel: 'cancelled' },
  starting: {
    start: 'running',
    succeed: 'succeeded',
    fail: 'failed',
    pause: 'pausing',
    cancel: 'cancelling',
    lose: 'recovering',
    hand_back: 'queued',
    block: 'blocked_storage',
  },
  running: {
    succeed: 'succeeded',
    fail: 'failed',
    pause: 'pausing',
    cancel: 'cancelling',
    lose: 'recovering',
    hand_back: 'queued',
    block: 'blocked_storage',
    await_feedback: 'awaiting_feedback',
  },
  pausing: {
    acknowledge_pause: 'paused',
    resume: 'running',
    succeed: 'succeeded',
    fail: 'failed',
    cancel: 'cancelling',
    lose: 'paused',
    hand_back: 'paused',
    block: 'paused',
  },
  paused: { resume: 'queued', cancel: 'cancelled' },
  cancelling: {
    acknowledge_cancel: 'cancelled',
    succeed: 'succeeded',
    fail: 'failed',
    lose: 'cancelled',
    hand_back: 'cancelled',
    block: 'cancelled',
  },
  awaiting_feedback: { receive_feedback: 'queued', cancel: 'cancelled' },
  recovering: { claim: 'starting', fail: 'failed', pause: 'paused', cancel: 'cancelled' },
  blocked_storage: { unblock: 'queued', pause: 'paused', cancel: 'cancelled' },
  succeeded: {},
  failed: { retry: 'queued' },
  cancelled: { retry: 'queued', revive: 'waiting' },
};

it.each(RUN_STATES)('from %s exactly these events lead on', (state) => {
  for (const event of EVENTS) {
    const to = EXPECTED[state][event];
    if (to) expect(transition(state, event)).toBe(to);
    else expect(() => transition(state, event)).toThrow(expect.objectContaining({ code: 'invalid_state' }));
  }
});

it('says what the event would have needed', () => {
  expect(() => transition('succeeded', 'pause')).toThrow(
    'A run that is succeeded cannot pause; that needs one of: queued, recovering, blocked_storage, starting, running.',
  );
});

it('nothing but a new try leads out of a final state, and nothing at all out of success', () => {
  const out = WAYS.filter(({ from }) => isFinal(from));
  expect(new Set(out.map(({ event }) => event))).toEqual(new Set(['retry', 'revive']));
  expect(out.filter(({ from }) => from === 'succeeded')).toEqual([]);
});

it('a lease begins with a claim alone, and a claim takes every deliverable state', () => {
  expect(leadingTo(isLeased)).toEqual(new Set(['claim']));
  expect(Object.keys(TRANSITIONS.claim).sort()).toEqual([...DELIVERABLE_STATES].sort());
  expect(Object.values(TRANSITIONS.claim).every(isLeased)).toBe(true);
});

it('a dead, stopping or failing worker, and a cancel, are provided for in every leased state', () => {
  for (const event of ['lose', 'hand_back', 'block', 'fail', 'succeed'] as const)
    expect(
      LEASED_STATES.filter((state) => !TRANSITIONS[event][state]),
      event,
    ).toEqual([]);
  for (const event of ['lose', 'hand_back', 'block'] as const)
    expect(Object.values(TRANSITIONS[event]).some(isLeased), event).toBe(false);
  const mortal = RUN_STATES.filter((state) => !isFinal(state) && state !== 'cancelling');
  expect(mortal.filter((state) => !TRANSITIONS.cancel[state])).toEqual([]);
});

it('no state is leased and deliverable, or one of these and final; every state can be reached and can end', () => {
  for (const state of RUN_STATES)
    expect([isLeased(state), isDeliverable(state), isFinal(state)].filter(Boolean).length).toBeLessThan(2);
  const spread = (from: readonly RunState[], ways: { from: RunState; to: RunState }[]) => {
    const seen = new Set(from);
    for (let size = -1; size !== seen.size; ) {
      size = seen.size;
      for (const way of ways) if (seen.has(way.from)) seen.add(way.to);
    }
    return seen;
  };
  expect([...spread(['waiting'], WAYS)].sort()).toEqual([...RUN_STATES].sort());
  const backwards = WAYS.map(({ from, to }) => ({ from: to, to: from }));
  expect([...spread(FINAL_STATES, backwards)].sort()).toEqual([...RUN_STATES].sort());
});
