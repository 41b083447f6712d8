import { writeFile } from 'node:fs/promises';
import os from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Stage } from '@trainyard/contracts';
import {
  type ClaimedRun,
  claimRun,
  type Database,
  type Delivery,
  loadTrainingInputs,
  type ResolvedInputs,
  registerWorker,
  retireWorker,
  timeOrderedUuid,
  workerHeartbeat,
} from '@trainyard/db';
import type { Consumer, Queue } from '@trainyard/queue';
import type { Logger } from 'pino';
import type { WorkerConfig } from './config.ts';
import { RunSupervisor } from './supervisor/run-supervisor.ts';
import { TrainerProcess } from './supervisor/trainer-process.ts';
import type { BackendReport, TrainingJob } from './trainer/messages.ts';

const RESTART_MS = 2000;

export interface WorkerDependencies {
  config: WorkerConfig;
  version: string;
  db: Database;
  queue: Queue;
  log: Logger;
}

/** Takes one run after the other from the queue; keeps a trainer warm that has its backend loaded. */
export class Worker {
  readonly id = timeOrderedUuid(Date.now());
  private readonly dependencies: WorkerDependencies;
  private consumer: Consumer | undefined;
  /** The one that waits for a run with its backend loaded. */
  private trainer: TrainerProcess | undefined;
  /** The one that loads its backend. */
  private warming: TrainerProcess | undefined;
  private current: RunSupervisor | undefined;
  private finished: Promise<void> = Promise.resolve();
  private draining = false;
  private heart: NodeJS.Timeout | undefined;
  private beating = false;
  private backend = '';
  private device = '';

  constructor(dependencies: WorkerDependencies) {
    this.dependencies = dependencies;
  }

  /** Loads the backend, registers, and begins to take runs. */
  async start(): Promise<void> {
    const { config, db, queue, log, version } = this.dependencies;
    const backend = await this.makeTrainer();
    this.device = backend.device;
    this.backend = `${backend.name} (${backend.package}, ${backend.device})`;
    await registerWorker(db, {
      id: this.id,
      name: config.name,
      stages: config.stages,
      backend: backend.name,
      backendVersion: backend.libraryVersion ?? backend.version,
      device: backend.device,
      memoryBytes: backend.memoryBytes,
      hostname: os.hostname(),
      pid: process.pid,
      version,
    });
    this.heart = setInterval(() => void this.beat(), config.heartbeatSeconds * 1000);
    this.consumer = await queue.consume(config.stages, (delivery) => this.take(delivery));
    await this.beat();
    log.info({ worker_id: this.id, stages: config.stages, backend }, 'worker ready');
  }

  /** Takes no more runs, hands the current one back with a checkpoint, and retires. */
  async stop(): Promise<void> {
    this.draining = true;
    this.warming?.kill();
    await this.consumer?.close(); // a claim under way ends first
    this.current?.handBack();
    const deadline = new AbortController();
    await Promise.race([
      this.finished,
      sleep(this.dependencies.config.shutdownSeconds * 1000, undefined, { signal: deadline.signal }).catch(
        () => {},
      ),
    ]);
    deadline.abort();
    this.trainer?.kill();
    clearInterval(this.heart);
    await retireWorker(this.dependencies.db, this.id).catch(() => {});
  }

  private async beat(): Promise<void> {
    const { config, db, log } = this.dependencies;
    if (this.beating) return; // the one before still waits for an answer
    this.beating = true;
    try {
      await workerHeartbeat(db, this.id, this.draining);
      if (config.healthFile) await writeFile(config.healthFile, new Date().toISOString());
    } catch (error) {
      log.warn({ err: error }, 'worker heartbeat failed');
    } finally {
      this.beating = false;
    }
  }

  /** The queue's handler: claims and returns at once; the training goes on by itself. */
  private async take(delivery: Delivery): Promise<'taken' | 'stale' | 'busy'> {
    if (this.draining || this.current || !this.trainer) return 'busy';
    const { config, db, log } = this.dependencies;
    const claim = { workerId: this.id, backend: this.backend, leaseSeconds: config.leaseSeconds };
    const asked = performance.now();
    const run = await db.transaction((tx) => claimRun(tx, delivery.runId, claim));
    if (!run) return 'stale';
    log.info(
      { run: run.id, stage: run.stage, epoch: run.fence.epoch, start_step: run.startStep },
      'run claimed',
    );
    const { trainer } = this;
    this.trainer = undefined;
    const leaseHeldUntil = asked + config.leaseSeconds * 1000;
    this.finished = this.train(run, trainer, leaseHeldUntil).catch((error: unknown) =>
      log.error({ err: error, run: run.id }, 'supervision failed'),
    );
    return 'taken';
  }

  private async train(run: ClaimedRun, trainer: TrainerProcess, leaseHeldUntil: number): Promise<void> {
    const { config, db, log } = this.dependencies;
    const { leaseSeconds, heartbeatSeconds } = config;
    // On a CPU the next trainer warms up meanwhile; a GPU's memory has room for one.
    const warm = this.device === 'cpu' ? this.warmUp() : undefined;
    try {
      this.current = new RunSupervisor({
        db,
        run,
        loadJob: () => this.jobOf(run),
        trainer,
        leaseHeldUntil,
        leaseSeconds,
        heartbeatSeconds,
        log,
      });
      if (this.draining) this.current.handBack();
      await this.current.supervise();
    } finally {
      this.current = undefined;
      trainer.kill();
      log.info({ run: run.id, epoch: run.fence.epoch }, 'attempt ended');
      await (warm ?? this.warmUp());
      await this.consumer?.resume();
    }
  }

  private async jobOf(run: ClaimedRun): Promise<TrainingJob> {
    const { config, db } = this.dependencies;
    return {
      fence: run.fence,
      stage: run.stage as Stage, // an import is never claimed
      config: run.config,
      seed: run.seed,
      inputs: await loadTrainingInputs(db, run.inputs as unknown as ResolvedInputs),
      resumeManifests: run.resumeManifests,
      leaseSeconds: config.leaseSeconds,
      storageUrl: config.storageUrl,
      cacheDir: config.cacheDir,
    };
  }

  /** A fresh trainer for the next run; keeps trying, since without one the worker is of no use. */
  private async warmUp(): Promise<void> {
    while (!this.draining) {
      try {
        await this.makeTrainer();
        return;
      } catch (error) {
        if (this.draining) return;
        this.dependencies.log.error({ err: error }, 'the trainer process does not start');
        await sleep(RESTART_MS);
      }
    }
  }

  /** Starts a trainer and lets it wait for a run; one that dies while it waits costs no run an attempt. */
  private async makeTrainer(): Promise<BackendReport> {
    const trainer = new TrainerProcess(this.dependencies.config.backend);
    this.warming = trainer;
    const backend = await trainer.ready();
    this.warming = undefined;
    this.trainer = trainer;
    void trainer.exited.then((exit) => {
      if (this.trainer !== trainer || this.draining) return; // a run had it
      this.trainer = undefined;
      this.dependencies.log.warn({ ...exit, last_lines: trainer.lastLines }, 'the waiting trainer died');
      void this.warmUp();
    });
    return backend;
  }
}
