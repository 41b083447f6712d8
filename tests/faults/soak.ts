// npm run soak -- --minutes N --seed S --json FILE [--faults-a-minute F] [--steps N] [--corruptions N]
// Injects random faults into a whole cluster under work and ends with a ledger; fails if one of its zeros is none.
import { writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startCluster } from './cluster.ts';
import { readLedger } from './ledger.ts';
import { corruptAtRandom } from './random-corruptions.ts';
import { countFaults, startRandomFaults } from './random-faults.ts';
import { measureRecoveries } from './recoveries.ts';
import { watchResources } from './resources.ts';
import { seededRandom } from './seeded-random.ts';
import { prepareWorkload } from './workload.ts';

const RECOVERY = 600_000; // ms
const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: '1' },
    json: { type: 'string' },
    'faults-a-minute': { type: 'string', default: '1' },
    steps: { type: 'string', default: '3000' },
    corruptions: { type: 'string', default: '10000' },
  },
});
const positive = (name: keyof typeof values): number => {
  const value = Number(values[name]);
  if (value > 0) return value;
  process.stderr.write(`--${name} is ${values[name]}; it must be a number above 0.\n`);
  process.exit(2);
};
const [minutes, seed, rate] = [positive('minutes'), positive('seed'), positive('faults-a-minute')];
const [steps, corruptions] = [positive('steps'), positive('corruptions')];
const say = (line: string) => process.stderr.write(`${new Date().toISOString()} ${line}\n`);

const cluster = await startCluster({ apis: 2, workers: 3, redis: 'persistent', asShipped: true });
let failed = false;
try {
  const { missed } = await corruptAtRandom(cluster.blobs, seed, corruptions);
  say(`${corruptions} corruptions, ${missed.length} missed`);
  await Promise.all(cluster.workers.map((worker) => worker.start()));
  const programs = [...cluster.apis, ...cluster.workers];
  // One worker more than runs, so that no recovery waits for another run.
  const workload = await prepareWorkload(cluster, ['pretrain', 'lora', 'grpo'], steps, seed, 2);
  for (const program of programs) program.kept = true;
  // One of each is never killed, so that its memory can be followed.
  const spared = [cluster.apis[0]!, cluster.workers[0]!];
  const faults = startRandomFaults(cluster, seed, spared);
  const resources = await watchResources(cluster, spared);
  say(`the cluster is up; ${rate} faults a minute for ${minutes} minutes, seed ${seed}`);
  const [enough, gaps] = [new AbortController(), seededRandom(seed + 1)];
  const feeding = workload.feed(enough.signal);
  const pending: Promise<void>[] = [];
  const begun = Date.now();
  for (;;) {
    await sleep(gaps() * 2 * (60_000 / rate));
    if (Date.now() - begun > minutes * 60_000) break;
    pending.push(faults.next());
    if (faults.happened.length % 10 === 9) say(`${faults.happened.length + 1} faults`);
  }
  await Promise.all(pending);
  await faults.calm();
  enough.abort();
  await feeding;
  await workload.ended(RECOVERY);
  const used = await resources.stop();
  const ledger = await readLedger(cluster, workload.expected, faults.damages);
  const report = {
    seed,
    minutes,
    faults: countFaults(faults.happened),
    runs: workload.kinds,
    ...(await measureRecoveries(cluster, faults.happened, begun)),
    resources: used,
    corruptions: { tried: corruptions, missed },
    ledger,
  };
  failed = missed.length > 0 || Object.values(ledger).some((found) => found.length > 0);
  const text = JSON.stringify(report, null, 2);
  process.stdout.write(`${text}\n`);
  if (values.json) await writeFile(values.json, `${text}\n`);
} finally {
  await cluster.stop();
}
process.exit(failed ? 1 : 0);
