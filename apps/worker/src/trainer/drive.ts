import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Checkpointing,
  type CheckpointKind,
  type Optimization as OptimizationConfig,
  TrainyardError,
} from '@trainyard/contracts';
import {
  type Control,
  NonFiniteLossError,
  type Optimization,
  type StoredModel,
  type TrainingEvent,
  type TrainingState,
} from '@trainyard/engine';
import { encodeSafetensors, type SafeTensor, writeCheckpoint } from '@trainyard/storage';
import type { Ending, TrainerContext } from './context.ts';
import { loadResume, OPTIMIZER_FILE, WEIGHTS_FILE } from './load-inputs.ts';
import { toOptimization } from './optimization.ts';

/** Between two steps a checkpoint that is being stored gets so long to take its next steps. */
const STORING_MS = 5;

interface Product {
  kind: CheckpointKind;
  model: StoredModel;
  config: { checkpointing: Checkpointing; optimization: OptimizationConfig };
}

/** What a stage's generator gets beside its own options: where it stands, how it learns, and when it is to stop. */
interface Course {
  optimization: Optimization;
  control: Control;
  resume?: TrainingState;
}

type Train = (course: Course) => AsyncGenerator<TrainingEvent, void, void>;

/**
 * Follows a stage from its last sound checkpoint to its end. Where the loss is not finite and the run says so, it goes
 * back to the last checkpoint and passes over the step; a run that resumes meets the same step and does the same.
 */
export async function drive(context: TrainerContext, product: Product, train: Train): Promise<Ending> {
  const { optimization } = product.config;
  const skippedSteps = new Set<number>();
  const attempt = new Attempt(context, product);
  for (;;) {
    try {
      return await attempt.follow(train, { ...toOptimization(optimization, context.job.seed), skippedSteps });
    } catch (error) {
      await attempt.stored().catch(() => {}); // what is good is kept, whatever became of the training
      const skip = error instanceof NonFiniteLossError && optimization.non_finite_loss === 'rewind';
      if (!skip) throw error;
      if (skippedSteps.size >= optimization.max_skipped_steps)
        throw new TrainyardError(
          'non_finite_loss',
          `${skippedSteps.size} steps were passed over, as many as max_skipped_steps allows, and step ${error.step + 1} is not finite either; use a lower learning rate or a lower gradient clip.`,
        );
      skippedSteps.add(error.step);
      await context.send({ type: 'event', name: 'rewound', data: { skipped_step: error.step + 1 } });
    }
  }
}

/** Passes a stage's events on: metrics to the worker, checkpoints into the blob store and then, as ids, to the worker. */
class Attempt {
  readonly #context: TrainerContext;
  readonly #product: Product;
  /** Manifests to go on from, the furthest first. */
  readonly #manifests: string[];
  /** The checkpoint that is being stored while training goes on. */
  #storing: Promise<void> | undefined;
  #lastCheckpoint: number;

  constructor(context: TrainerContext, product: Product) {
    this.#context = context;
    this.#product = product;
    this.#manifests = [...context.job.resumeManifests];
    this.#lastCheckpoint = context.now();
  }

  async follow(train: Train, optimization: Optimization): Promise<Ending> {
    const { send, now, stopRequested } = this.#context;
    const resume = await loadResume(this.#context, this.#manifests);
    let values: Record<string, number> = {};
    let step = resume?.step ?? 0;
    let finished = step >= optimization.steps;
    for await (const event of train({ optimization, control: this.#control, ...(resume && { resume }) })) {
      switch (event.type) {
        case 'metrics':
          ({ step, values } = event);
          await send({ type: 'metrics', step, totalSteps: event.totalSteps, at: now(), values });
          if (stopRequested() === 'at_once') return { kind: 'stopped', step };
          if (this.#storing) await Promise.race([this.#storing, sleep(STORING_MS)]);
          break;
        case 'samples':
          await send({ type: 'event', name: 'samples', data: { step: event.step, samples: event.samples } });
          break;
        case 'checkpoint':
          await this.stored(); // no more than one waits in memory
          this.#lastCheckpoint = now();
          this.#storing = this.#store(event.state, event.final, values);
          this.#storing.catch(() => {}); // thrown to whoever waits next
          finished = event.final;
      }
    }
    await this.stored();
    return finished ? { kind: 'done', result: { steps: step, ...values } } : { kind: 'stopped', step };
  }

  /** Waits for the checkpoint that is being stored. Throws what went wrong with it. */
  async stored(): Promise<void> {
    await this.#storing;
  }

  readonly #control: Control = (done) => {
    const { now, stopRequested } = this.#context;
    const { every_steps: everySteps, every_seconds: everySeconds } = this.#product.config.checkpointing;
    if (stopRequested() === 'with_checkpoint') return 'checkpoint_and_stop';
    const due = everySteps !== undefined && done % everySteps === 0;
    return due || now() - this.#lastCheckpoint >= everySeconds * 1000 ? 'checkpoint' : 'continue';
  };

  async #store(state: TrainingState, final: boolean, metrics: Record<string, number>): Promise<void> {
    const { job, blobs, now, send } = this.#context;
    const { kind, model } = this.#product;
    const { step, weights, optimizer, counters } = state;
    const written = await writeCheckpoint(blobs, {
      ...job.fence,
      step,
      model,
      counters,
      cursor: { step, seed: job.seed },
      createdAt: new Date(now()).toISOString(),
      files: {
        [WEIGHTS_FILE]: encodeSafetensors(weights as Record<string, SafeTensor>, { format: 'pt' }),
        [OPTIMIZER_FILE]: encodeSafetensors(optimizer as Record<string, SafeTensor>),
      },
    }).catch((cause: unknown) => {
      const tensors = [...Object.values(weights), ...Object.values(optimizer)];
      const bytes = tensors.reduce((sum, { data }) => sum + data.byteLength, 0);
      throw cause instanceof TrainyardError ? new StoringError(cause, bytes) : cause;
    });
    this.#storing = undefined;
    this.#manifests.unshift(written.manifest.sha256);
    const checkpoint = {
      step,
      kind,
      final,
      tokenizerId: job.inputs.tokenizer!.id,
      model: { ...model },
      parameters: Object.values(weights).reduce((sum, { data }) => sum + data.length, 0),
      manifestSha256: written.manifest.sha256,
      blobs: [written.manifest.sha256, ...written.files.map((file) => file.sha256)],
      bytes: written.bytes,
      metrics,
    };
    await send({ type: 'checkpoint', checkpoint });
  }
}

/** A checkpoint could not be stored; it needs so many bytes. */
export class StoringError extends TrainyardError {
  readonly neededBytes: number;
  constructor(cause: TrainyardError, neededBytes: number) {
    super(cause.code, cause.message, { cause });
    this.neededBytes = neededBytes;
  }
}
