import { isFinal, type RunEventName, type RunState, TRANSITIONS } from '@trainyard/contracts';
import type { Order, OutcomeKind, RunStanding, Step } from '../../src/lifecycle.ts';
import type { Decisions } from './decisions.ts';
import type { Delivery } from './delivery-queue.ts';
import type { Ledger } from './ledger.ts';

/** A claim that was granted. The object stands for its worker: two claims of one epoch are two objects. */
export interface Claim {
  runId: number;
  epoch: number;
}

export interface RunRow extends RunStanding {
  id: number;
  leaseExpiresAt: number | null;
  attemptEndedAt: number;
  attemptRows: { epoch: number; startStep: number }[];
  checkpoints: { step: number; epoch: number; manifest: number; damaged: boolean }[];
  metrics: { step: number; epoch: number }[];
}

/** What a worker asks of Postgres; `wall` is the worker's own, wrong clock. */
export type Request =
  | { kind: 'claim'; runId: number; wall: number }
  | { kind: 'heartbeat'; claim: Claim; wall: number }
  | { kind: 'start'; claim: Claim }
  | { kind: 'metrics'; claim: Claim; steps: number[] }
  | { kind: 'checkpoint'; claim: Claim; step: number; manifest: number }
  | { kind: 'damage'; claim: Claim; manifest: number }
  | { kind: 'end'; claim: Claim; outcome: OutcomeKind };
export type FencedWrite = Exclude<Request, { kind: 'claim' | 'heartbeat' }>;

export type Answer =
  | { kind: 'done' | 'fenced' | 'stale' }
  | { kind: 'claimed'; claim: Claim; manifests: number[] }
  | { kind: 'order'; order: Exclude<Order, 'fenced'> };

/** The furthest checkpoints first that a run can go on from: `usable` and `FURTHEST` in checkpoints.ts. */
export const usable = (run: RunRow) =>
  run.checkpoints.filter(({ damaged }) => !damaged).sort((a, b) => b.step - a.step || b.epoch - a.epoch);
export function furthest(run: RunRow): number {
  let step = 0;
  for (const checkpoint of run.checkpoints) if (!checkpoint.damaged) step = Math.max(step, checkpoint.step);
  return step;
}

/** The tables and, one method each, the transactions of packages/db upon them. Each is atomic. */
export class Postgres {
  now = 0;
  readonly runs: RunRow[] = [];
  outbox: Delivery[] = [];
  private readonly decisions: Decisions;
  private readonly ledger: Ledger;

  constructor(decisions: Decisions, ledger: Ledger) {
    this.decisions = decisions;
    this.ledger = ledger;
  }

  createRun(maxAttempts: number): void {
    const run: RunRow = {
      id: this.runs.length,
      state: 'queued',
      epoch: 0,
      attempts: 0,
      barrenAttempts: 0,
      maxAttempts,
      leaseExpiresAt: null,
      attemptEndedAt: 0,
      attemptRows: [],
      checkpoints: [],
      metrics: [],
    };
    this.runs.push(run);
    this.ledger.open(run);
    this.addToOutbox(run);
  }

  /** What comes from a worker, whenever it arrives. */
  apply(request: Request): Answer {
    if (request.kind === 'claim') return this.claimRun(request.runId, request.wall);
    if (request.kind === 'heartbeat') return this.heartbeat(request.claim, request.wall);
    const run = this.runs[request.claim.runId]!;
    if (!this.decisions.fenceHolds(run, request.claim.epoch)) {
      this.ledger.count(`fenced ${request.kind}`);
      return { kind: 'fenced' };
    }
    this.ledger.accept(run, request.claim, request.kind);
    this.write(run, request);
    return { kind: 'done' };
  }

  private claimRun(runId: number, wall: number): Answer {
    const run = this.runs[runId]!;
    const step = this.decisions.claimed(run);
    if (!step) {
      this.ledger.count('stale delivery');
      return { kind: 'stale' };
    }
    const checkpoints = usable(run);
    const startStep = checkpoints[0]?.step ?? 0;
    this.changeState(run, step.event, step.changes);
    run.leaseExpiresAt = this.decisions.leaseUntil(this.now, wall);
    run.attemptRows.push({ epoch: run.epoch, startStep });
    const claim = { runId, epoch: run.epoch };
    this.ledger.claim(run, claim, this.now);
    return { kind: 'claimed', claim, manifests: checkpoints.map(({ manifest }) => manifest) };
  }

  private heartbeat(claim: Claim, wall: number): Answer {
    const run = this.runs[claim.runId]!;
    if (!this.decisions.heartbeatHolds(run, claim.epoch)) {
      this.ledger.count('fenced heartbeat');
      return { kind: 'fenced' };
    }
    run.leaseExpiresAt = this.decisions.leaseUntil(this.now, wall);
    this.ledger.renew(run, claim, this.now);
    const order = this.decisions.orderOf(run.state);
    return order === 'fenced' ? { kind: 'fenced' } : { kind: 'order', order };
  }

  private write(run: RunRow, write: FencedWrite): void {
    switch (write.kind) {
      case 'start':
        if (run.state === 'starting') this.changeState(run, 'start');
        return;
      case 'metrics':
        for (const step of write.steps)
          if (!run.metrics.some((metric) => metric.epoch === run.epoch && metric.step === step))
            run.metrics.push({ step, epoch: run.epoch });
        return;
      case 'checkpoint':
        this.recordCheckpoint(run, write);
        return;
      case 'damage':
        this.recordDamage(run, write.manifest);
        return;
      case 'end':
        this.moveOn(run, write.outcome);
    }
  }

  private recordCheckpoint(run: RunRow, { step, manifest }: { step: number; manifest: number }): void {
    const { epoch } = run;
    const known = run.checkpoints.find((row) => row.epoch === epoch && row.step === step);
    if (known) Object.assign(known, { manifest, damaged: false });
    else run.checkpoints.push({ step, epoch, manifest, damaged: false });
  }

  private recordDamage(run: RunRow, manifest: number): void {
    const damaged = run.checkpoints.find((row) => row.manifest === manifest);
    if (!damaged || damaged.damaged) return;
    damaged.damaged = true;
    const before = furthest(run);
    const attempt = run.attemptRows.at(-1)!;
    attempt.startStep = this.decisions.startAfterDamage(attempt.startStep, before);
    run.metrics = run.metrics.filter((metric) => this.decisions.keepsAfterDamage(metric, run.epoch, before));
    this.ledger.damage(run);
  }

  private moveOn(run: RunRow, outcome: OutcomeKind): void {
    const progressed = this.decisions.progressed(furthest(run), run.attemptRows.at(-1)!.startStep);
    const step: Step = this.decisions.afterAttempt(run, outcome, progressed);
    this.ledger.end(run, outcome, step.quarantined === true);
    run.leaseExpiresAt = null;
    run.attemptEndedAt = this.now;
    this.changeState(run, step.event, step.changes);
  }

  expiredRuns(): number[] {
    return this.ids((run) => this.decisions.leaseRanOut(run, this.now));
  }

  recoverExpired(runId: number): void {
    const run = this.runs[runId]!;
    if (!this.decisions.leaseRanOut(run, this.now)) return;
    this.ledger.takeOver(run, this.now);
    this.moveOn(run, 'crashed');
  }

  blockedRuns(): number[] {
    return this.ids((run) => this.decisions.mayUnblock(run, this.now));
  }

  unblockRun(runId: number): void {
    const run = this.runs[runId]!;
    if (run.state === 'blocked_storage') this.changeState(run, 'unblock');
  }

  deliverableRuns(): Delivery[] {
    return this.ids((run) => this.decisions.isDeliverable(run.state)).map((runId) => ({
      runId,
      epoch: this.runs[runId]!.epoch,
    }));
  }

  forget(delivered: readonly Delivery[]): void {
    this.outbox = this.outbox.filter((delivery) => !delivered.includes(delivery));
  }

  /** `pauseRun`, `resumeRun`, `cancelRun` and `retryRun` in runs.ts. False if the table refuses it. */
  steer(runId: number, event: 'pause' | 'resume' | 'cancel' | 'retry'): boolean {
    const run = this.runs[runId]!;
    if (ALREADY[event]?.includes(run.state)) return true;
    if (!TRANSITIONS[event][run.state]) return false;
    this.changeState(run, event, event === 'retry' ? { barrenAttempts: 0 } : {});
    this.ledger.steered(run, event);
    return true;
  }

  private changeState(run: RunRow, event: RunEventName, changes: Step['changes'] = {}): void {
    const from = run.state;
    const to = this.decisions.transition(from, event);
    run.state = to;
    run.epoch = changes.epoch ?? run.epoch;
    run.attempts = changes.attempts ?? run.attempts;
    run.barrenAttempts = changes.barrenAttempts ?? run.barrenAttempts;
    if (isFinal(to)) run.leaseExpiresAt = null;
    this.ledger.moved(run, from, event, to);
    if (this.decisions.isDeliverable(to)) this.addToOutbox(run);
  }

  private addToOutbox({ id, epoch }: RunRow): void {
    if (!this.outbox.some((row) => row.runId === id && row.epoch === epoch))
      this.outbox.push({ runId: id, epoch });
  }

  private ids(where: (run: RunRow) => boolean): number[] {
    const found: number[] = [];
    for (const run of this.runs) if (where(run)) found.push(run.id);
    return found;
  }
}

const ALREADY: { readonly [event: string]: readonly RunState[] } = {
  pause: ['paused', 'pausing'],
  cancel: ['cancelled', 'cancelling'],
};
