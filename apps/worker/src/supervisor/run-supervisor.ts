import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { type RunError, TrainyardError } from '@trainyard/contracts';
import {
  type ClaimedRun,
  type Database,
  endAttempt,
  FencedError,
  heartbeat,
  type MetricRow,
  type Outcome,
  recordCheckpoint,
  recordDamage,
  recordMetrics,
  recordStart,
  recordTokenizer,
  recordTrainerEvent,
  type Tx,
} from '@trainyard/db';
import type { Logger } from 'pino';
import type { FromTrainer, TrainingJob } from '../trainer/messages.ts';
import { Throughput } from './throughput.ts';
import type { TrainerProcess } from './trainer-process.ts';

const METRICS_EVERY_MS = 1000;
const METRICS_BATCH = 200;
const RETRY_MS = 500;
const SAVE_MS = 15_000; // for the end of a step and a checkpoint
const STOP_MS = 2000; // where nothing is saved
const LEASE_CHECK_MS = 250;
/** A heartbeat without an answer for so many intervals is sent again, over another connection. */
const PATIENT_BEATS = 1.5;

export interface Supervision {
  db: Database;
  run: ClaimedRun;
  loadJob: () => Promise<TrainingJob>;
  trainer: TrainerProcess;
  /** What the claim gave, by performance.now(). */
  leaseHeldUntil: number;
  leaseSeconds: number;
  heartbeatSeconds: number;
  log: Logger;
}

type Stop = 'pause' | 'cancel' | 'hand_back';

/**
 * Watches over one claimed run: its trainer process computes, this renews the lease, brings orders and records what
 * the trainer says, in its order and fenced. Whatever happens, the trainer is gone when `supervise` returns.
 */
export class RunSupervisor {
  private readonly throughput = new Throughput();
  private metrics: MetricRow[] = [];
  private writes: Promise<void> = Promise.resolve();
  private writeError: unknown;
  private stopping: Stop | undefined;
  private end: Outcome | undefined;
  private leaseHeldUntil: number;
  private peakMemoryBytes = 0;
  private readonly context: Supervision;

  constructor(context: Supervision) {
    this.context = context;
    this.leaseHeldUntil = context.leaseHeldUntil;
  }

  /** Runs until the attempt has ended and is recorded, or its fence is lost. */
  async supervise(): Promise<void> {
    const { trainer } = this.context;
    trainer.onMessage((message) => this.receive(message));
    const heart = this.beat();
    void this.start();
    const flusher = setInterval(() => {
      this.flushMetrics();
      void this.readMemory();
    }, METRICS_EVERY_MS);
    const watch = setInterval(() => this.watchLease(), LEASE_CHECK_MS);
    const exit = await trainer.exited;
    clearInterval(flusher);
    clearInterval(watch);
    this.flushMetrics();
    await this.writes;
    try {
      if (!(this.writeError instanceof FencedError))
        await this.record((tx) => endAttempt(tx, this.fence, this.outcome(exit)));
    } catch (error) {
      this.context.log.warn({ err: error, ...this.fence }, 'the attempt ended without being recorded');
    }
    this.stopHeart();
    await heart;
  }

  /** Checkpoint and stop within the deadline, so that another worker can go on: for SIGTERM. */
  handBack(): void {
    this.stop('hand_back');
  }

  private get fence() {
    return this.context.run.fence;
  }

  private async start(): Promise<void> {
    const { trainer, loadJob } = this.context;
    try {
      trainer.send({ type: 'start', job: await this.whileLeased(loadJob) });
    } catch (error) {
      this.giveUp(error, 'the run cannot be loaded; the attempt ends here');
    }
  }

  private giveUp(error: unknown, what: string): void {
    this.writeError ??= error;
    this.context.log.warn({ err: error, ...this.fence }, what);
    this.context.trainer.kill();
  }

  private stop(why: Stop): void {
    if (this.stopping === why || this.stopping === 'cancel') return;
    this.stopping = why;
    this.context.trainer.send({ type: 'stop', checkpoint: why !== 'cancel' });
    const { stage } = this.context.run;
    const saves = why !== 'cancel' && stage !== 'tokenizer' && stage !== 'eval';
    const timer = setTimeout(() => this.context.trainer.kill(), saves ? SAVE_MS : STOP_MS);
    timer.unref();
    void this.context.trainer.exited.then(() => clearTimeout(timer));
  }

  private receive(message: FromTrainer): void {
    switch (message.type) {
      case 'ready':
        return;
      case 'started':
        this.write((tx) => recordStart(tx, this.fence));
        return;
      case 'metrics':
        this.throughput.add(message);
        this.metrics.push({ step: message.step, at: new Date(message.at), values: message.values });
        if (this.metrics.length >= METRICS_BATCH) this.flushMetrics();
        return;
      case 'damaged':
        this.flushMetrics();
        this.write((tx) => recordDamage(tx, this.fence, message));
        return;
      case 'checkpoint':
        this.flushMetrics();
        this.write(async (tx) => void (await recordCheckpoint(tx, this.fence, message.checkpoint)));
        return;
      case 'tokenizer': {
        const { type: _, ...trained } = message;
        this.write(async (tx) => void (await recordTokenizer(tx, this.fence, trained)));
        return;
      }
      case 'event':
        this.write((tx) => recordTrainerEvent(tx, this.fence, message.name, message.data));
        return;
      case 'done':
        this.end = { kind: 'succeeded', result: message.result, ...this.progressNow() };
        return;
      case 'stopped':
        this.end = this.stopping ? STOPPED[this.stopping] : undefined;
        return;
      case 'blocked':
        this.end = { kind: 'blocked', error: message.error };
        return;
      case 'failed': {
        const { error, userError } = message;
        // What nobody foresaw may be the machine's doing, such as memory that it did not give: a death like any other.
        this.end =
          error.code === 'internal'
            ? { kind: 'crashed', error }
            : { kind: 'failed', error, reason: userError ? 'user_error' : 'infrastructure' };
      }
    }
  }

  /** Linux alone tells it of another process. */
  private async readMemory(): Promise<void> {
    const status = await readFile(`/proc/${this.context.trainer.pid}/status`, 'utf8').catch(() => '');
    const [, kibibytes] = /^VmHWM:\s+(\d+) kB$/m.exec(status) ?? [];
    if (kibibytes) this.peakMemoryBytes = Number(kibibytes) * 1024;
  }

  private progressNow() {
    const progress = this.throughput.progress();
    return progress ? { progress } : {};
  }

  /** What became of the attempt: what the trainer said last, else a crash with its evidence. */
  private outcome(exit: { code: number | null; signal: NodeJS.Signals | null }): Outcome {
    if (this.writeError) return { kind: 'crashed', error: asRunError(this.writeError) };
    if (this.end && this.end.kind !== 'crashed') return this.end;
    if (!this.end && this.stopping) return STOPPED[this.stopping];
    const how = exit.signal ? `by ${exit.signal}` : `with exit code ${exit.code}`;
    const error = this.end?.error ?? { code: 'trainer_died', message: `The trainer process ended ${how}.` };
    const evidence = {
      exit_code: exit.code,
      signal: exit.signal,
      peak_memory_bytes: this.peakMemoryBytes || null,
      last_lines: this.context.trainer.lastLines,
    };
    return { kind: 'crashed', error: { ...error, evidence } };
  }

  private flushMetrics(): void {
    if (this.metrics.length === 0) return;
    const rows = this.metrics;
    this.metrics = [];
    this.write((tx) => recordMetrics(tx, this.fence, rows));
  }

  /** Queues a fenced write; the first that fails ends the attempt. */
  private write(work: (tx: Tx) => Promise<void>): void {
    this.writes = this.writes
      .then(() => (this.writeError ? undefined : this.record(work)))
      .catch((error: unknown) => this.giveUp(error, 'a write was refused; the attempt ends here'));
  }

  /**
   * A control plane that is away for less than the lease costs nothing: tries until the lease has run out. What the
   * database still refuses after that long, though heartbeats arrive, it will always refuse.
   */
  private async whileLeased<T>(work: () => Promise<T>): Promise<T> {
    const patience = performance.now() + this.context.leaseSeconds * 1000;
    for (;;) {
      try {
        return await work();
      } catch (error) {
        const final = error instanceof FencedError || error instanceof TrainyardError;
        if (final || performance.now() > Math.min(this.leaseHeldUntil, patience)) throw error;
        await sleep(RETRY_MS);
      }
    }
  }

  private record(work: (tx: Tx) => Promise<void>): Promise<void> {
    return this.whileLeased(() => this.context.db.transaction(work));
  }

  /** Whatever hangs, the trainer does not outlive its lease. */
  private watchLease(): void {
    if (performance.now() <= this.leaseHeldUntil) return;
    this.context.log.warn({ ...this.fence }, 'the lease ran out; the trainer is stopped');
    this.context.trainer.kill();
  }

  private readonly heartStopped = new AbortController();

  private stopHeart(): void {
    this.heartStopped.abort();
  }

  private async beat(): Promise<void> {
    const { db, leaseSeconds, heartbeatSeconds, trainer, log } = this.context;
    const { signal } = this.heartStopped;
    while (!signal.aborted) {
      const asked = performance.now();
      try {
        const beat = heartbeat(db, this.fence, leaseSeconds, this.throughput.progress());
        const order = await Promise.race([beat, silence(heartbeatSeconds * PATIENT_BEATS)]);
        if (order === 'fenced') {
          if (!signal.aborted && !this.end)
            this.write(async () =>
              Promise.reject(new FencedError(this.fence, { epoch: -1, state: 'taken over' })),
            );
          return;
        }
        this.leaseHeldUntil = asked + leaseSeconds * 1000;
        trainer.send({ type: 'lease' });
        if (order !== 'continue') this.stop(order);
      } catch (error) {
        log.warn({ err: error, ...this.fence }, 'heartbeat failed');
      }
      await sleep(heartbeatSeconds * 1000, undefined, { signal }).catch(() => {});
    }
  }
}

const STOPPED: Record<Stop, Outcome> = {
  pause: { kind: 'paused' },
  cancel: { kind: 'cancelled' },
  hand_back: { kind: 'handed_back' },
};

/** Rejects after so many seconds. */
const silence = (seconds: number): Promise<never> =>
  sleep(seconds * 1000, undefined, { ref: false }).then(() => {
    throw new Error(`no answer within ${seconds} s`);
  });

const asRunError = (error: unknown): RunError => ({
  code: error instanceof TrainyardError ? error.code : 'internal',
  message: error instanceof Error ? error.message : String(error),
});
