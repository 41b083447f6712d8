import { setTimeout as sleep } from 'node:timers/promises';
import { getCheckpoint, listAttempts, listMetrics, listWorkers, pauseRun, resumeRun } from '@trainyard/db';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { productOf } from '../product-of.ts';
import { eventually, isAlive } from '../spawn-program.ts';
import { TEXT } from './corpus.ts';
import { startStack, type WorkerProcess, type WorkerStack } from './worker-stack.ts';

const MINUTES = 600_000; // ms; a bound for a busy machine
const STEPS = 600; // seconds of compiled steps: time enough to be interrupted on a busy machine
const CONFIG = {
  model: { preset: 'tiny' },
  optimization: { steps: STEPS, batch_size: 2, dropout: 0.1 },
  checkpointing: { every_steps: 20 },
};

let stack: WorkerStack;
let worker: WorkerProcess;
let tokenizer: string;
let uninterrupted: string[];

const submit = () =>
  stack.submit({ stage: 'pretrain', inputs: { datasets: ['text'], tokenizer }, config: CONFIG });
/** In mid-training, with a checkpoint to go on from and steps since then that are lost. */
const midway = (id: string) => stack.until(id, ({ progress }) => (progress?.step ?? 0) >= 25);
const outcomes = async (id: string) => (await listAttempts(stack.db, id)).map(({ outcome }) => outcome);
const holder = async (id: string): Promise<string> => {
  const { worker_id } = (await listAttempts(stack.db, id)).at(-1)!;
  return (await listWorkers(stack.db, {}, 60)).data.find((row) => row.id === worker_id)!.name;
};

beforeAll(async () => {
  stack = await startStack();
  await stack.addData('text', 'text', TEXT);
  worker = await stack.startWorker('first');
  const config = { vocab_size: 300 };
  const made = await stack.submit({ stage: 'tokenizer', inputs: { datasets: ['text'] }, config });
  tokenizer = (await stack.finished(made)).tokenizer_id!;
  uninterrupted = await productOf(stack, await stack.finished(await submit()));
  expect(uninterrupted[0]).toBe(`final, step ${STEPS}`);
  expect(uninterrupted).toHaveLength(3); // and weights and optimizer
}, MINUTES);
afterAll(() => stack?.stop(), MINUTES);

describe('a run ends with the weights and optimizer state of one that was never interrupted', () => {
  test(
    'after a pause, which keeps every step',
    async () => {
      const id = await submit();
      await midway(id);
      await stack.change((tx) => pauseRun(tx, id));
      const paused = await stack.until(id, ({ state }) => state === 'paused');
      const { data } = await listMetrics(stack.db, id, {});
      const kept = await getCheckpoint(stack.db, paused.checkpoint_id!);
      expect(kept).toMatchObject({ step: data.at(-1)!.step, final: false });
      expect(kept.step).toBeLessThan(STEPS);
      expect(paused.worker_id).toBeNull();
      await stack.change((tx) => resumeRun(tx, id));
      expect(await productOf(stack, await stack.finished(id))).toEqual(uninterrupted);
      expect(await listAttempts(stack.db, id)).toMatchObject([
        { outcome: 'paused', start_step: 0 },
        { outcome: 'succeeded', start_step: kept.step },
      ]);
    },
    MINUTES,
  );

  test(
    'after its trainer process was killed, which leaves evidence',
    async () => {
      await eventually('a waiting trainer', async () => (await worker.trainers()).length === 1);
      const [trainer] = await worker.trainers();
      const id = await submit();
      await midway(id);
      process.kill(trainer!, 'SIGKILL');
      expect(await productOf(stack, await stack.finished(id))).toEqual(uninterrupted);
      const [died, again] = await listAttempts(stack.db, id);
      expect(died).toMatchObject({
        outcome: 'crashed',
        error: {
          code: 'trainer_died',
          message: 'The trainer process ended by SIGKILL.',
          evidence: { signal: 'SIGKILL', exit_code: null, last_lines: expect.any(Array) },
        },
      });
      expect(again).toMatchObject({ outcome: 'succeeded', worker_id: died!.worker_id });
      expect(again!.start_step % 20).toBe(0);
      expect(again!.start_step).toBeGreaterThan(0);
      const { data } = await listMetrics(stack.db, id, {});
      expect(data.map(({ step }) => step)).toEqual(Array.from({ length: STEPS }, (_, i) => i + 1));
    },
    MINUTES,
  );

  test(
    'after its worker was killed: the trainer ends by itself, another worker goes on',
    async () => {
      const id = await submit();
      await midway(id);
      const trainers = await worker.trainers();
      expect(trainers.length).toBeGreaterThan(0);
      worker.kill('SIGKILL');
      await eventually('the end of the trainers', () => !trainers.some(isAlive));
      worker = await stack.startWorker('second');
      expect(await productOf(stack, await stack.finished(id))).toEqual(uninterrupted);
      expect(await outcomes(id)).toEqual(['lost', 'succeeded']);
      expect(await holder(id)).toBe('second');
    },
    MINUTES,
  );

  test(
    'after its worker was told to stop: it hands back with a checkpoint',
    async () => {
      const id = await submit();
      await midway(id);
      const trainers = await worker.trainers();
      worker.kill('SIGTERM');
      await worker.exited;
      expect(worker.child.exitCode).toBe(0);
      expect(trainers.some(isAlive)).toBe(false);
      const [handed] = await listAttempts(stack.db, id);
      expect(handed!.outcome).toBe('handed_back');
      const last = (await listMetrics(stack.db, id, { epoch: 1 })).data.at(-1)!.step;
      const stopped = (await listWorkers(stack.db, {}, 60)).data.find(({ name }) => name === 'second');
      expect(stopped?.state).toBe('stopped');
      worker = await stack.startWorker('third');
      expect(await productOf(stack, await stack.finished(id))).toEqual(uninterrupted);
      expect(await listAttempts(stack.db, id)).toMatchObject([
        { outcome: 'handed_back' },
        { outcome: 'succeeded', start_step: last },
      ]);
    },
    MINUTES,
  );

  test(
    'after its worker was frozen for longer than its lease: it comes back fenced, and takes runs again',
    async () => {
      const other = await stack.startWorker('fourth');
      const id = await submit();
      await midway(id);
      const [frozen, successor] = (await holder(id)) === 'third' ? [worker, other] : [other, worker];
      const trainers = await frozen.trainers();
      frozen.kill('SIGSTOP');
      await stack.until(id, ({ epoch }) => epoch === 2);
      const recorded = (await listMetrics(stack.db, id, { epoch: 1 })).total;
      await sleep(500); // its trainer goes on meanwhile, and tells what nobody may write down
      frozen.kill('SIGCONT');
      expect(await productOf(stack, await stack.finished(id))).toEqual(uninterrupted);
      await eventually('a refused write', () => frozen.log.some((line) => line.includes('FencedError')));
      await eventually('the end of the old trainer', async () => {
        const left = await frozen.trainers();
        return left.length === 1 && trainers.filter((pid) => left.includes(pid)).length <= 1;
      });
      expect(await outcomes(id)).toEqual(['lost', 'succeeded']);
      expect(await holder(id)).toBe(successor.name);
      expect((await listMetrics(stack.db, id, { epoch: 1 })).total).toBe(recorded);
      successor.kill('SIGTERM');
      await successor.exited;
      const next = await stack.submit({ stage: 'tokenizer', inputs: { datasets: ['text'] } });
      await stack.finished(next);
      expect(await holder(next)).toBe(frozen.name);
    },
    MINUTES,
  );
});
