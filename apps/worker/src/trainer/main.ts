import os from 'node:os';
import { type Stage, TrainyardError } from '@trainyard/contracts';
import { openBlobStore } from '@trainyard/storage';
import { type BackendPreference, loadBackend } from '@trainyard/tensor';
import type { TrainerContext } from './context.ts';
import type { FromTrainer, ToTrainer, TrainingJob } from './messages.ts';
import { isTransient, runJob } from './run-job.ts';

const send = (message: FromTrainer): Promise<void> =>
  new Promise((resolve, reject) =>
    process.send!(message, (error: Error | null) => (error ? reject(error) : resolve())),
  );

let stop: 'no' | 'with_checkpoint' | 'at_once' = 'no';

process.channel?.ref(); // waiting for a run is work, whatever the parent's preloaded modules think
process.on('disconnect', () => process.exit(1)); // the worker is gone: nobody would record what this does
process.on('SIGTERM', () => {}); // the worker decides; a signal to the whole group must not kill a checkpoint
process.on('SIGINT', () => {});
process.on('message', (message: ToTrainer) => {
  if (message.type === 'stop') stop = message.checkpoint ? 'with_checkpoint' : 'at_once';
  else void start(message.job);
});

async function start(job: TrainingJob): Promise<void> {
  const blobs = await openBlobStore(job.storageUrl);
  const context = {
    job,
    config: job.config,
    blobs,
    send,
    stopRequested: () => stop,
    now: Date.now,
  } as TrainerContext<Stage>;
  try {
    await send({ type: 'started' });
    const ending = await runJob(context);
    await send(
      ending.kind === 'done'
        ? { type: 'done', result: ending.result }
        : { type: 'stopped', step: ending.step },
    );
  } catch (error) {
    console.error(error);
    if (isTransient(error)) process.exit(1);
    await send({ type: 'failed', ...describe(error) });
  }
  await blobs.close();
  process.exit(0);
}

function describe(error: unknown): { error: { code: string; message: string }; userError: boolean } {
  if (error instanceof TrainyardError)
    return { error: { code: error.code, message: error.message }, userError: error.status < 500 };
  return {
    error: { code: 'internal', message: error instanceof Error ? error.message : String(error) },
    userError: false,
  };
}

try {
  const info = await loadBackend({ prefer: (process.argv[2] ?? 'auto') as BackendPreference });
  await send({
    type: 'ready',
    backend: {
      ...info,
      libraryVersion: info.libraryVersion ?? null,
      memoryBytes: Math.min(process.constrainedMemory() || Number.POSITIVE_INFINITY, os.totalmem()),
    },
  });
} catch (error) {
  await send({ type: 'failed', ...describe(error) });
  process.exit(1);
}
