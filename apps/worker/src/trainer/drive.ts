import type { CheckpointKind } from '@trainyard/contracts';
import type { WrittenCheckpoint } from '@trainyard/db';
import type { Control, StoredModel, TrainingEvent, TrainingState } from '@trainyard/engine';
import { encodeSafetensors, type SafeTensor, writeCheckpoint } from '@trainyard/storage';
import type { Ending, TrainerContext } from './context.ts';
import { OPTIMIZER_FILE, WEIGHTS_FILE } from './load-inputs.ts';

interface Product {
  kind: CheckpointKind;
  model: StoredModel;
  checkpointing: { every_steps?: number; every_seconds: number };
  totalSteps: number;
  resume: TrainingState | undefined;
}

/**
 * Follows a stage's events: metrics go to the worker, checkpoints into the blob store and then, as ids, to the worker.
 * `train` gets the control that says when a checkpoint is due by steps, by time, or since the worker asked to stop.
 */
export async function drive(
  context: TrainerContext,
  product: Product,
  train: (control: Control) => AsyncGenerator<TrainingEvent, void, void>,
): Promise<Ending> {
  const { send, now, stopRequested } = context;
  let values: Record<string, number> = {};
  let lastCheckpoint = now();
  let step = product.resume?.step ?? 0;
  let finished = step >= product.totalSteps;
  const { every_steps: everySteps = Number.POSITIVE_INFINITY, every_seconds: everySeconds } =
    product.checkpointing;
  const control: Control = (done) => {
    if (stopRequested() === 'with_checkpoint') return 'checkpoint_and_stop';
    return done % everySteps === 0 || now() - lastCheckpoint >= everySeconds * 1000
      ? 'checkpoint'
      : 'continue';
  };
  for await (const event of train(control)) {
    switch (event.type) {
      case 'metrics':
        ({ step, values } = event);
        await send({ type: 'metrics', step, totalSteps: event.totalSteps, at: now(), values });
        if (stopRequested() === 'at_once') return { kind: 'stopped', step };
        break;
      case 'samples':
        await send({ type: 'event', name: 'samples', data: { step: event.step, samples: event.samples } });
        break;
      case 'checkpoint': {
        const checkpoint = await store(context, product, event.state, event.final, values);
        await send({ type: 'checkpoint', checkpoint });
        lastCheckpoint = now();
        finished = event.final;
      }
    }
  }
  return finished ? { kind: 'done', result: { steps: step, ...values } } : { kind: 'stopped', step };
}

async function store(
  { job, blobs, now }: TrainerContext,
  { kind, model }: Product,
  state: TrainingState,
  final: boolean,
  metrics: Record<string, number>,
): Promise<WrittenCheckpoint> {
  const { runId, epoch } = job.fence;
  const written = await writeCheckpoint(blobs, {
    runId,
    epoch,
    step: state.step,
    model,
    counters: state.counters,
    cursor: { step: state.step, seed: job.seed },
    createdAt: new Date(now()).toISOString(),
    files: {
      [WEIGHTS_FILE]: encodeSafetensors(state.weights as Record<string, SafeTensor>, { format: 'pt' }),
      [OPTIMIZER_FILE]: encodeSafetensors(state.optimizer as Record<string, SafeTensor>),
    },
  });
  return {
    step: state.step,
    kind,
    final,
    tokenizerId: job.inputs.tokenizer!.id,
    model: { ...model },
    parameters: Object.values(state.weights).reduce((sum, tensor) => sum + tensor.data.length, 0),
    manifestSha256: written.manifest.sha256,
    blobs: [written.manifest.sha256, ...written.files.map((file) => file.sha256)],
    bytes: written.bytes,
    metrics,
  };
}
