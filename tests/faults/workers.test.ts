import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { listAttempts, listWorkers } from '@trainyard/db';
import { readCheckpoint } from '@trainyard/storage';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LEASE_SECONDS } from '../quick-leases.ts';
import { eventually, isAlive } from '../spawn-program.ts';
import { type Cluster, startCluster } from './cluster.ts';
import { flipBit } from './damage.ts';
import { holderOf } from './holder-of.ts';
import { readLedger } from './ledger.ts';
import { preload } from './preload.ts';
import { type Pretraining, preparePretraining } from './pretraining.ts';
import type { Program } from './program.ts';

const MINUTES = 600_000; // ms; a bound for a busy machine
const STEPS = 150;
const DAY_MS = 24 * 60 * 60 * 1000;
const FATAL_SEED = 666;

let cluster: Cluster;
let pretraining: Pretraining;

beforeAll(async () => {
  cluster = await startCluster({ apis: 2, workers: 2 });
  await Promise.all(cluster.workers.map((worker) => worker.start()));
  pretraining = await preparePretraining(cluster, STEPS);
}, MINUTES);
afterAll(() => cluster?.stop(), MINUTES);

/** Lets processes, and those that they start, have no more private memory than this. */
async function limitMemory(pids: number[], bytes: number): Promise<void> {
  for (const pid of pids) await promisify(execFile)('prlimit', ['--pid', String(pid), `--data=${bytes}`]);
}

/** A run in the middle, and who has it. */
async function underWay(): Promise<{ id: string; holder: Program; other: Program }> {
  const id = await pretraining.submit();
  await pretraining.midway(id);
  const holder = await holderOf(cluster, id);
  return { id, holder, other: cluster.workers.find((worker) => worker !== holder)! };
}
const outcomes = async (id: string) => (await listAttempts(cluster.db, id)).map(({ outcome }) => outcome);
/** Starts it again, with a module in it and in its trainers. */
async function restartWith(program: Program, environment: Record<string, string>): Promise<void> {
  await program.stop('SIGKILL');
  program.environment = environment;
  await program.start();
}

test(
  'a worker that is killed: its trainers end, another worker goes on',
  async () => {
    const { id, holder } = await underWay();
    const trainers = await holder.trainers();
    holder.kill('SIGKILL');
    await eventually('the end of the trainers', () => !trainers.some(isAlive));
    await holder.start();
    await pretraining.ended(id);
    expect(await outcomes(id)).toEqual(['lost', 'succeeded']);
  },
  MINUTES,
);

test(
  'a worker that is frozen for longer than its lease: another goes on, its own writes are refused',
  async () => {
    const { id, holder } = await underWay();
    holder.kill('SIGSTOP');
    await cluster.until(id, ({ epoch }) => epoch === 2);
    holder.kill('SIGCONT');
    await pretraining.ended(id);
    expect(await outcomes(id)).toEqual(['lost', 'succeeded']);
    await eventually('the end of its supervision', () =>
      holder.log.some((line) => line.includes('attempt ended')),
    );
  },
  MINUTES,
);

describe.each([
  ['cut', (worker: Program) => worker.links.postgres.cut()],
  ['black', (worker: Program) => worker.links.postgres.blackHole('to_server', 'to_client')],
  ['deaf', (worker: Program) => worker.links.postgres.blackHole('to_client')],
  ['mute', (worker: Program) => worker.links.postgres.blackHole('to_server')],
] as const)('a worker whose way to Postgres is %s for longer than its lease', (_, fail) => {
  test(
    'loses its run to another worker, and takes runs again later',
    async () => {
      const { id, holder, other } = await underWay();
      fail(holder);
      await cluster.until(id, ({ epoch }) => epoch === 2);
      holder.links.postgres.restore();
      await pretraining.ended(id);
      expect(await outcomes(id)).toEqual(['lost', 'succeeded']);
      await other.stop();
      const next = await pretraining.submit();
      await pretraining.ended(next);
      expect(await holderOf(cluster, next)).toBe(holder);
      await other.start();
    },
    MINUTES,
  );
});

test(
  'a run that kills its trainer each time is quarantined with its evidence; those beside it succeed',
  async () => {
    const NODE_OPTIONS = preload('die-of-seed');
    for (const worker of cluster.workers)
      await restartWith(worker, { NODE_OPTIONS, FATAL_SEED: String(FATAL_SEED) });
    const healthy = [await pretraining.submit()];
    const fatal = await cluster.submit({ ...pretraining.request, seed: FATAL_SEED, max_attempts: 3 });
    healthy.push(await pretraining.submit());
    const failed = await cluster.until(fatal, ({ state }) => state === 'failed');
    expect(failed).toMatchObject({ termination_reason: 'infrastructure', attempts: 3, checkpoint_id: null });
    expect(failed.error).toMatchObject({
      code: 'trainer_died',
      evidence: {
        signal: 'SIGSEGV',
        exit_code: null,
        last_lines: expect.arrayContaining(['The last words of a trainer.']),
      },
    });
    expect(await outcomes(fatal)).toEqual(['crashed', 'crashed', 'crashed']);
    for (const id of healthy) expect((await pretraining.ended(id)).attempts).toBe(1);
  },
  MINUTES,
);

test(
  'a run that takes more memory than it gets is quarantined with its evidence; what fits succeeds',
  async () => {
    const [worker, other] = cluster.workers;
    await Promise.all([other!.stop('SIGKILL'), restartWith(worker!, {})]);
    await limitMemory([worker!.pid, ...(await worker!.trainers())], 900 * 2 ** 20);
    const optimization = { steps: 5, batch_size: 64 };
    const large = await cluster.submit({
      ...pretraining.request,
      config: { model: { preset: 'medium' }, optimization },
      max_attempts: 2,
    });
    const failed = await cluster.until(large, ({ state }) => state === 'failed');
    expect(failed).toMatchObject({ termination_reason: 'infrastructure', attempts: 2, checkpoint_id: null });
    expect(failed.error?.evidence?.peak_memory_bytes).toBeGreaterThan(200 * 2 ** 20);
    expect((await pretraining.ended(await pretraining.submit())).attempts).toBe(1);
    for (const program of [worker!, other!]) await restartWith(program, {});
  },
  MINUTES,
);

test.each([DAY_MS, -DAY_MS])(
  'a worker and an API whose clock is %i ms off do all that others do',
  async (shift) => {
    const environment = { NODE_OPTIONS: preload('shift-clock'), CLOCK_SHIFT_MS: String(shift) };
    const [api, unused] = cluster.apis;
    const [worker, other] = cluster.workers;
    await Promise.all([unused!.stop('SIGKILL'), other!.stop('SIGKILL')]);
    await Promise.all([restartWith(api!, environment), restartWith(worker!, environment)]);
    const id = await pretraining.submit();
    await pretraining.midway(id);
    const { at } = await cluster.db.client.runMetric.findFirstOrThrow({ where: { runId: id } });
    expect(Math.abs(at.getTime() - Date.now() - shift)).toBeLessThan(DAY_MS / 2); // its clock is off
    worker!.kill('SIGKILL');
    await worker!.start();
    await pretraining.ended(id);
    expect(await outcomes(id)).toEqual(['lost', 'succeeded']);
    const live = (await listWorkers(cluster.db, { live: true }, LEASE_SECONDS)).data;
    expect(live.map(({ name }) => name)).toEqual([worker!.name]);
    for (const program of [api!, worker!, unused!, other!]) await restartWith(program, {});
  },
  MINUTES,
);

test(
  'all APIs and workers restarted one after the other during runs: nothing is lost',
  async () => {
    const ids = [await pretraining.submit(), await pretraining.submit(), await pretraining.submit()];
    await pretraining.midway(ids[0]!);
    for (const program of [...cluster.apis, ...cluster.workers]) {
      await program.stop('SIGTERM');
      expect(program.exitCode).toBe(0);
      await program.start();
    }
    for (const id of ids) {
      await pretraining.ended(id);
      for (const outcome of await outcomes(id)) expect(outcome).toMatch(/handed_back|succeeded/);
    }
  },
  MINUTES,
);

test('the ledger has its zeros', () => pretraining.checkLedger(), MINUTES);

test(
  'a ledger tells of a lost run, a step too many, a stale write, a damaged checkpoint and another product',
  async () => {
    const { db, blobs } = cluster;
    const { runId, epoch, startStep } = await db.client.runAttempt.findFirstOrThrow({
      where: { startStep: { gt: 0 }, outcome: 'succeeded' },
    });
    const { manifestSha256 } = await db.client.checkpoint.findFirstOrThrow({
      where: { runId, step: startStep, epoch: { lt: epoch } },
      orderBy: { epoch: 'desc' },
    });
    await flipBit(blobs.path!((await readCheckpoint(blobs, manifestSha256)).manifest.files[0]!.sha256), 500);
    await db.client.runMetric.create({ data: { runId, epoch, step: STEPS + 1, values: {}, at: new Date() } });
    const ledger = await readLedger(cluster, [
      { id: runId, product: ['another'] },
      { id: runId, state: 'failed' },
    ]);
    for (const [list, found] of Object.entries(ledger)) expect(found, list).not.toEqual([]);
  },
  MINUTES,
);
