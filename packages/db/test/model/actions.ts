import { FATES, RECONCILERS, RUNS, WORKERS, type World } from './world.ts';

/** Draws a number below `bound` from what is left of an action's code. */
export type Draw = (what: string, bound: number) => number;
type Action = (world: World, draw: Draw) => void;

const worker = (world: World, draw: Draw) => world.workers[draw('worker', WORKERS)]!;
const fate = (draw: Draw) => FATES[draw('fate', 2 * FATES.length)] ?? 'arrives';
const steer =
  (event: 'pause' | 'resume' | 'cancel' | 'retry'): Action =>
  ({ postgres }, draw) =>
    void postgres.steer(draw('run', RUNS), event);

/** What can happen, and how likely it is. */
const ACTIONS: { readonly [name: string]: [weight: number, act: Action] } = {
  'a worker goes on': [
    24,
    (world, draw) => {
      const chosen = worker(world, draw);
      if (chosen.idle) world.take(chosen, draw('delivery', 3), 'arrives');
      for (let i = draw('moves', 5); i > 0; i--) chosen.train(world.postgres.now, draw('ahead', 2) === 0);
      for (let i = draw('writes', 5); i > 0; i--) world.write(chosen, 'arrives');
    },
  ],
  'a pass goes on': [
    8,
    (world, draw) => world.reconcile(draw('process', RECONCILERS), 1 + draw('operations', 12)),
  ],
  'a worker writes': [8, (world, draw) => void world.write(worker(world, draw), fate(draw))],
  'a worker takes a delivery': [
    3,
    (world, draw) => world.take(worker(world, draw), draw('delivery', 3), fate(draw)),
  ],
  'a heartbeat': [4, (world, draw) => world.beat(worker(world, draw), fate(draw))],
  'a request arrives': [
    5,
    (world, draw) => world.arrive(draw('which', Math.max(1, world.underWay)), draw('answer lost', 2) === 1),
  ],
  'metrics are flushed': [1, (world, draw) => worker(world, draw).flushMetrics()],
  'time passes': [
    4,
    ({ postgres }, draw) => {
      postgres.now += [1, 3, 6, 11][draw('how long', 4)]!;
    },
  ],
  'a worker looks at its lease': [1, (world, draw) => worker(world, draw).watchLease(world.postgres.now)],
  'a worker freezes': [
    2,
    (world, draw) => {
      worker(world, draw).frozen = true;
    },
  ],
  'a worker thaws': [3, (world, draw) => worker(world, draw).thaw()],
  'a worker crashes': [1, (world, draw) => worker(world, draw).crash()],
  'a worker hands back': [1, (world, draw) => worker(world, draw).stop('hand_back')],
  'a trainer crashes': [3, (world, draw) => worker(world, draw).killTrainer()],
  'a trainer rewinds': [4, (world, draw) => worker(world, draw).train(world.postgres.now, false, 'rewind')],
  'a trainer fails': [1, (world, draw) => worker(world, draw).train(world.postgres.now, false, 'fail')],
  'the store is full': [
    1,
    ({ store }) => {
      store.room = false;
    },
  ],
  'the store has room': [
    2,
    ({ store }) => {
      store.room = true;
    },
  ],
  'the last checkpoints are damaged': [3, ({ store }, draw) => store.damage(1 + draw('beside it', 3))],
  'the queue is flushed': [1, ({ queue }) => queue.flush()],
  'a delivery is duplicated': [1, ({ queue }, draw) => queue.duplicate(draw('delivery', 3))],
  'a process dies in its pass': [1, (world, draw) => world.abandonPass(draw('process', RECONCILERS))],
  'a user pauses': [1, steer('pause')],
  'a user resumes': [2, steer('resume')],
  'a user cancels': [1, steer('cancel')],
  'a user retries': [1, steer('retry')],
};

const WEIGHTED = Object.entries(ACTIONS).flatMap(([name, [weight, act]]) =>
  Array<{ name: string; act: Action }>(weight).fill({ name, act }),
);

/** Codes of actions are below this. */
export const CODES = 2 ** 30;
/** What a shrunk schedule has in place of the actions that its failure does not need. */
const NOTHING = 0;

/** Lets the action with this code happen; answers what it was if `told` is asked for. */
export function act(world: World, code: number, told?: (what: string) => void): void {
  if (code === NOTHING) return;
  const { name, act } = WEIGHTED[code % WEIGHTED.length]!;
  let left = Math.floor(code / WEIGHTED.length);
  const drawn: string[] = [];
  const draw: Draw = (what, bound) => {
    const value = left % bound;
    left = Math.floor(left / bound);
    if (told) drawn.push(`${what} ${value}`);
    return value;
  };
  try {
    act(world, draw);
  } finally {
    told?.(drawn.length > 0 ? `${name} (${drawn.join(', ')})` : name);
  }
}
