// Injects random faults into a whole cluster under work and ends with a ledger; fails if one of its zeros is none.
import { writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startCluster } from './cluster.ts';
import { readLedger } from './ledger.ts';
import { corruptAtRandom } from './random-corruptions.ts';
import { countFaults, FAULT_KINDS, startRandomFaults } from './random-faults.ts';
import { measureRecoveries } from './recoveries.ts';
import { reportMemory, watchResources } from './resources.ts';
import { seededRandom } from './seeded-random.ts';
import { prepareWorkload } from './workload.ts';

const HELP = `npm run soak -- [options]

  --minutes N           how long faults are injected (default 10)
  --seed S              which faults come, to whom and when follows from it (default 1)
  --json FILE           write the report there too
  --faults-a-minute F   on average (default 1)
  --kinds LIST          only these faults, separated by commas (default all):
                        ${FAULT_KINDS.join(', ')}
  --steps N             optimizer steps of each run (default 3000)
  --corruptions N       files damaged beforehand, each of which must be detected (default 10000)

The report goes to stdout as JSON. Exit status: 0 all is well, 1 the ledger or a corruption tells otherwise, or it was
stopped, 2 usage.
`;
const RECOVERY = 600_000; // ms

function fail(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(2);
}
function parse() {
  try {
    return parseArgs({
      options: {
        minutes: { type: 'string', default: '10' },
        seed: { type: 'string', default: '1' },
        json: { type: 'string' },
        'faults-a-minute': { type: 'string', default: '1' },
        kinds: { type: 'string', default: FAULT_KINDS.join() },
        steps: { type: 'string', default: '3000' },
        corruptions: { type: 'string', default: '10000' },
        help: { type: 'boolean' },
      },
    }).values;
  } catch (error) {
    return fail(`${(error as Error).message.split('. ')[0]}; see npm run soak -- --help.`);
  }
}
const values = parse();
if (values.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
const positive = (name: Exclude<keyof typeof values, 'help'>): number => {
  const value = Number(values[name]);
  return value > 0 ? value : fail(`--${name} is ${values[name]}; it must be a number above 0.`);
};
const [minutes, seed, rate] = [positive('minutes'), positive('seed'), positive('faults-a-minute')];
const [steps, corruptions] = [positive('steps'), positive('corruptions')];
const asked = values.kinds.split(',').map((kind) => kind.trim());
const kinds = FAULT_KINDS.filter((kind) => asked.includes(kind));
const unknown = asked.find((kind) => !(FAULT_KINDS as string[]).includes(kind));
if (unknown !== undefined) fail(`--kinds has "${unknown}"; use any of ${FAULT_KINDS.join(', ')}.`);
const say = (line: string) => process.stderr.write(`${new Date().toISOString()} ${line}\n`);

const cluster = await startCluster({ apis: 2, workers: 3, redis: 'persistent', asShipped: true });
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void cluster.stop().finally(() => process.exit(1)));
let failed = false;
try {
  const { missed } = await corruptAtRandom(cluster.blobs, seed, corruptions);
  say(`${corruptions} corruptions, ${missed.length} missed`);
  // One of each is never killed, so that its memory can be followed.
  const spared = [cluster.apis[0]!, cluster.workers[0]!];
  const environment = await reportMemory(cluster);
  for (const program of spared) program.environment = environment;
  await cluster.apis[0]!.stop();
  await Promise.all([cluster.apis[0]!, ...cluster.workers].map((program) => program.start()));
  const programs = [...cluster.apis, ...cluster.workers];
  // One worker more than runs, so that no recovery waits for another run.
  const workload = await prepareWorkload(cluster, ['pretrain', 'lora', 'grpo'], steps, seed, 2);
  for (const program of programs) program.kept = true;
  const faults = startRandomFaults(cluster, seed, { kinds, spared });
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
