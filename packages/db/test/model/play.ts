import { act } from './actions.ts';
import type { Decisions } from './decisions.ts';
import { settled } from './ledger.ts';
import { must } from './violation.ts';
import { RECONCILERS, World } from './world.ts';

export interface Schedule {
  maxAttempts: number;
  codes: readonly number[];
  /** Whether every trainer dies at once in the rounds after the schedule. */
  deadly: boolean;
}

/** Rounds of fair running that are enough for every run. */
const ROUNDS = 80;

/** Plays a schedule, then fair rounds without its faults. Throws `Violation` as soon as something does not hold. */
export function play(
  { maxAttempts, codes, deadly }: Schedule,
  decisions: Decisions,
  counts: Record<string, number> = {},
  told?: (what: string) => void,
): World {
  const world = new World(decisions, counts, maxAttempts);
  let before = '';
  for (const code of codes) {
    act(world, code, told);
    world.check();
    if (told) before = tellChange(world, before, told);
  }
  told?.(`fair rounds${deadly ? ' in which every trainer dies' : ''}`);
  settle(world, deadly);
  return world;
}

function tellChange(world: World, before: string, told: (what: string) => void): string {
  const runs = world.postgres.runs.map(
    ({ id, state, epoch, barrenAttempts }) =>
      `run ${id} ${state} in epoch ${epoch}, ${barrenAttempts} barren`,
  );
  const after = runs.join('; ');
  if (after !== before) told(`  -> ${after}`);
  return after;
}

/** A healthy worker beside those there are (some frozen), room in the store, passes: every run ends or is paused. */
function settle(world: World, deadly: boolean): void {
  world.store.room = true;
  for (let i = 0; i < RECONCILERS; i++) world.abandonPass(i);
  world.addWorker(0);
  for (let round = 0; round < ROUNDS; round++) {
    if (world.postgres.runs.every(({ state }) => settled(state))) return;
    while (world.underWay > 0) world.arrive(0, false);
    world.reconcile(0, Number.POSITIVE_INFINITY);
    for (const worker of world.workers) {
      if (worker.idle) world.take(worker, 0, 'arrives');
      world.beat(worker, 'arrives');
      worker.watchLease(world.postgres.now);
      if (deadly) worker.killTrainer();
      for (let i = 0; i < 4; i++) worker.train(world.postgres.now, false);
      while (world.write(worker, 'arrives'));
    }
    world.postgres.now += 1;
    world.check();
  }
  for (const { id, state } of world.postgres.runs)
    must(settled(state), `run ${id} is still ${state} after ${ROUNDS} fair rounds`);
}
