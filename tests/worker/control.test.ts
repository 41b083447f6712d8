import { setTimeout as sleep } from 'node:timers/promises';
import type { Run } from '@trainyard/contracts';
import { cancelRun, getRun, listAttempts } from '@trainyard/db';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { LEASE_SECONDS } from '../quick-leases.ts';
import { CHATS, TEXT } from './corpus.ts';
import { startStack, type WorkerProcess, type WorkerStack } from './worker-stack.ts';

const MINUTES = 600_000; // ms; a bound for a busy machine
const LONG = 'a question that goes on and on '.repeat(20);

let stack: WorkerStack;
let worker: WorkerProcess;
let first: Run; // after its worker's waiting trainer was killed
let tokenizer: string;

const pretrain = (steps: number) =>
  stack.submit({
    stage: 'pretrain',
    inputs: { datasets: ['text'], tokenizer },
    config: { model: { preset: 'tiny' }, optimization: { steps, batch_size: 2 } },
  });

beforeAll(async () => {
  stack = await startStack();
  await stack.addData('text', 'text', TEXT);
  await stack.addData('chats', 'chat', CHATS);
  await stack.addData('long', 'chat', [
    ...CHATS.slice(0, 9),
    {
      messages: [
        { role: 'user', content: LONG },
        { role: 'assistant', content: 'No.' },
      ],
    },
    {
      messages: [
        { role: 'user', content: `${LONG}?` },
        { role: 'assistant', content: 'Yes.' },
      ],
    },
  ]);
  worker = await stack.startWorker('only');
  const [waiting] = await worker.trainers();
  process.kill(waiting!, 'SIGKILL');
  const config = { vocab_size: 300 };
  const made = await stack.submit({ stage: 'tokenizer', inputs: { datasets: ['text'] }, config });
  first = await stack.finished(made);
  tokenizer = first.tokenizer_id!;
}, MINUTES);
afterAll(() => stack?.stop(), MINUTES);

test('a trainer that dies while it waits for a run costs that run no attempt', () => {
  expect(first).toMatchObject({ attempts: 1, epoch: 1 });
  expect(worker.log.some((line) => line.includes('the waiting trainer died'))).toBe(true);
});

test(
  'a cancelled run ends though it had a million steps to go, and the worker takes the next',
  async () => {
    const id = await pretrain(1_000_000);
    await stack.until(id, ({ progress }) => (progress?.step ?? 0) > 0);
    await stack.change((tx) => cancelRun(tx, id));
    const run = await stack.until(id, ({ state }) => state === 'cancelled');
    expect(run).toMatchObject({ termination_reason: 'cancelled_by_user', worker_id: null, error: null });
    expect(await listAttempts(stack.db, id)).toMatchObject([{ outcome: 'cancelled' }]);
    await stack.finished(await pretrain(2));
  },
  MINUTES,
);

test(
  'a run whose inputs cannot be read yet keeps its worker, which takes no other meanwhile',
  async () => {
    const before = await pretrain(1_000_000);
    await stack.until(before, ({ progress }) => (progress?.step ?? 0) > 0);
    const [id, next] = [await pretrain(2), await pretrain(2)];
    await stack.db.client.$transaction(
      async (tx) => {
        await tx.$executeRaw`LOCK TABLE tokenizers IN ACCESS EXCLUSIVE MODE`;
        await stack.change((other) => cancelRun(other, before));
        await stack.until(id, ({ state }) => state === 'starting');
        await sleep(1.5 * LEASE_SECONDS * 1000);
        expect(await getRun(stack.db, id)).toMatchObject({ state: 'starting', epoch: 1 });
        expect(await getRun(stack.db, next)).toMatchObject({ state: 'queued', epoch: 0 });
      },
      { timeout: MINUTES },
    );
    for (const run of [id, next]) expect((await stack.finished(run)).attempts).toBe(1);
  },
  MINUTES,
);

test(
  'a run whose data cannot be trained on fails with the reason, and the worker goes on',
  async () => {
    const base = (await stack.finished(await pretrain(2))).checkpoint_id!;
    const finetune = (datasets: string[]) =>
      stack.submit({
        stage: 'finetune',
        inputs: { datasets, base },
        config: { optimization: { steps: 2, batch_size: 2 } },
      });
    const [poisonous, good] = [await finetune(['long']), await finetune(['chats'])];
    const failed = await stack.until(poisonous, ({ state }) => state === 'failed');
    expect(failed).toMatchObject({ termination_reason: 'user_error', attempts: 1, checkpoint_id: null });
    expect(failed.error).toMatchObject({
      code: 'invalid_data',
      message: expect.stringMatching(/64|context/),
    });
    expect(await listAttempts(stack.db, poisonous)).toMatchObject([
      { outcome: 'failed', error: failed.error },
    ]);
    expect((await stack.finished(good)).attempts).toBe(1);
  },
  MINUTES,
);
