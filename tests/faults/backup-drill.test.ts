import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getRun, listAttempts, listMetrics } from '@trainyard/db';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { productOf } from '../product-of.ts';
import { TEXT } from '../worker/corpus.ts';
import { startStack, type WorkerStack } from '../worker/worker-stack.ts';
import { maintain } from './maintenance.ts';

const MINUTES = 600_000; // ms; a bound for a busy machine
const STEPS = 900; // long enough for a backup to begin and end in the middle
const CONFIG = {
  model: { preset: 'tiny' },
  optimization: { steps: STEPS, batch_size: 2, dropout: 0.1 },
  checkpointing: { every_steps: 20 },
};

let stack: WorkerStack;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trainyard-backup-drill-'));
  stack = await startStack();
}, MINUTES);
afterAll(async () => {
  await stack?.stop();
  await rm(folder, { recursive: true, force: true });
}, MINUTES);

test(
  'a run that was backed up in mid-training ends, after all was lost, as if nothing had happened',
  async () => {
    await stack.addData('text', 'text', TEXT);
    const worker = await stack.startWorker('before');
    const made = await stack.submit({
      stage: 'tokenizer',
      inputs: { datasets: ['text'] },
      config: { vocab_size: 300 },
    });
    const tokenizer = (await stack.finished(made)).tokenizer_id!;
    const submit = () =>
      stack.submit({ stage: 'pretrain', inputs: { datasets: ['text'], tokenizer }, config: CONFIG });
    const uninterrupted = await productOf(stack, await stack.finished(await submit()));
    expect(uninterrupted[0]).toBe(`final, step ${STEPS}`);

    const id = await submit();
    await stack.until(id, ({ progress }) => (progress?.step ?? 0) >= 25);
    const backup = await maintain(['backup', '--to', folder], stack.place);
    expect(backup).toMatchObject({ code: 0, stderr: '' });
    const meanwhile = await getRun(stack.db, id);
    expect(meanwhile.state).toBe('running');
    worker.kill('SIGKILL');
    await worker.exited;
    await stack.stop(); // removes the database and the store

    stack = await startStack({
      prepare: async (place) => {
        expect(await maintain(['restore', '--from', folder], place)).toMatchObject({ code: 0, stderr: '' });
        const verified = await maintain(['verify'], place);
        expect(verified).toMatchObject({ code: 0, stderr: '' });
        expect(verified.stdout).toMatch(/1 dataset versions and 1 tokenizers .* all is well/);
      },
    });
    const { data: metrics } = await listMetrics(stack.db, id, {});
    expect(metrics.at(-1)!.step).toBeLessThanOrEqual(meanwhile.progress!.step!);
    await stack.startWorker('after');
    expect(await productOf(stack, await stack.finished(id))).toEqual(uninterrupted);
    const attempts = await listAttempts(stack.db, id);
    expect(attempts).toMatchObject([
      { outcome: 'lost', epoch: 1 },
      { outcome: 'succeeded', epoch: 2 },
    ]);
    expect(attempts[1]!.start_step).toBeGreaterThanOrEqual(20);
    expect(attempts[1]!.start_step % 20).toBe(0);
    const { data } = await listMetrics(stack.db, id, {});
    expect(data.map(({ step }) => step)).toEqual(Array.from({ length: STEPS }, (_, i) => i + 1));
  },
  MINUTES,
);
