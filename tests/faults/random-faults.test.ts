import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { startCluster } from './cluster.ts';
import { readLedger, ZEROS } from './ledger.ts';
import { countFaults, startRandomFaults } from './random-faults.ts';
import { seededRandom } from './seeded-random.ts';
import { prepareWorkload } from './workload.ts';

const MINUTES = 1_800_000; // ms; a bound for a busy machine
/** The settings that tests read: another seed, and fewer or more faults. */
const SEED = Number(process.env.FAULT_SEED ?? 1);
const FAULTS = Number(process.env.FAULT_COUNT ?? 200);
const LONGEST_GAP = 2000; // ms between two faults
const RECOVERY = 300_000; // ms

test(
  `${FAULTS} random faults (FAULT_SEED=${SEED}): no run is lost, no step, no stale write, no damaged checkpoint`,
  async () => {
    const cluster = await startCluster({ apis: 2, workers: 2, redis: 'persistent' });
    try {
      await Promise.all(cluster.workers.map((worker) => worker.start()));
      const workload = await prepareWorkload(cluster, ['pretrain', 'lora', 'grpo', 'eval'], 60, SEED, 4);
      for (const program of [...cluster.apis, ...cluster.workers]) program.kept = true;
      const faults = startRandomFaults(cluster, SEED);
      const enough = new AbortController();
      const feeding = workload.feed(enough.signal);
      const gaps = seededRandom(SEED + 1);
      const pending: Promise<void>[] = [];
      for (let i = 0; i < FAULTS; i += 1) {
        pending.push(faults.next());
        await sleep(gaps() * LONGEST_GAP);
      }
      await Promise.all(pending);
      await faults.calm();
      enough.abort();
      await feeding;
      await workload.ended(RECOVERY);
      const ledger = await readLedger(cluster, workload.expected, faults.damages);
      const counts = countFaults(faults.happened);
      console.log(JSON.stringify({ seed: SEED, faults: counts, runs: workload.kinds }));
      expect(faults.happened).toHaveLength(FAULTS);
      expect(ledger).toEqual(ZEROS);
    } finally {
      await cluster.stop();
    }
  },
  MINUTES,
);
