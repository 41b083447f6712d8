import os from 'node:os';
import { type Stage, TrainyardError } from '@trainyard/contracts';
import { openBlobStore } from '@trainyard/storage';
import { type BackendPreference, loadBackend } from '@trainyard/tensor';
import type { TrainerContext } from './context.ts';
import { StoringError } from './drive.ts';
import type { FromTrainer, ToTrainer, TrainingJob } from './messages.ts';
import { isBlocking, runJob } from './run-job.ts';

const LEASE_CHECK_MS = 250;

const send = (message: FromTrainer): Promise<void> =>
  new Promise((resolve, reject) =>
    process.send!(message, (error: Error | null) => (error ? reject(error) : resolve())),
  );

let stop: 'no' | 'with_checkpoint' | 'at_once' = 'no';
let leaseRenewed = 0; // by performance.now()

process.channel?.ref(); // waiting for a run is work, whatever the parent's preloaded modules think
process.on('disconnect', () => process.exit(1)); // the worker is gone: nobody would record what this does
process.on('SIGTERM', () => {}); // the worker decides; a signal to the whole group must not kill a checkpoint
process.on('SIGINT', () => {});
process.on('message', (message: ToTrainer) => {
  if (message.type === 'stop') stop = message.checkpoint ? 'with_checkpoint' : 'at_once';
  else if (message.type === 'lease') leaseRenewed = performance.now();
  else void start(message.job);
});

/**
 * Ends this process once its worker is silent for a lease, frozen or cut off: its run is another's by then. Looks twice,
 * since after a step that took long a timer comes before the messages that wait.
 */
function watchLease(seconds: number): void {
  leaseRenewed = performance.now();
  let late = 0;
  setInterval(() => {
    late = performance.now() - leaseRenewed < seconds * 1000 ? 0 : late + 1;
    if (late < 2) return;
    console.error(`The worker renewed no lease for ${seconds} s; its run is not ours any more.`);
    process.exit(1);
  }, LEASE_CHECK_MS).unref();
}

async function start(job: TrainingJob): Promise<void> {
  watchLease(job.leaseSeconds);
  try {
    await train(job);
  } catch (error) {
    console.error(error);
    await send(
      isBlocking(error)
        ? { type: 'blocked', error: blockedError(error) }
        : { type: 'failed', ...describe(error) },
    );
  }
  process.exit(0);
}

async function train(job: TrainingJob): Promise<void> {
  const blobs = await openBlobStore(job.storageUrl);
  const context = {
    job,
    config: job.config,
    blobs,
    send,
    stopRequested: () => stop,
    now: Date.now,
  } as TrainerContext<Stage>;
  await send({ type: 'started' });
  const ending = await runJob(context);
  await send(
    ending.kind === 'done' ? { type: 'done', result: ending.result } : { type: 'stopped', step: ending.step },
  );
  await blobs.close();
}

const blockedError = (error: TrainyardError) => ({
  code: error.code,
  message: error.message,
  ...(error instanceof StoringError && { evidence: { needed_bytes: error.neededBytes } }),
});

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
