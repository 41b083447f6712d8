import type { OutcomeKind } from '../../src/lifecycle.ts';
import type { BlobStore } from './blob-store.ts';
import { LEASE } from './decisions.ts';
import type { Answer, Claim, FencedWrite, Request } from './postgres.ts';
import { Trainer } from './trainer.ts';

export type Stop = 'pause' | 'cancel' | 'hand_back';
const STOPPED = { pause: 'paused', cancel: 'cancelled', hand_back: 'handed_back' } as const;

/** An attempt as its worker believes it to be. */
interface Attempt {
  claim: Claim;
  trainer: Trainer;
  /** By the worker's monotonic clock. */
  heldUntil: number;
  heartbeat: Request | undefined;
  /** In their order; the first may be under way. */
  writes: FencedWrite[];
  underWay: boolean;
  metrics: number[];
  stopping: Stop | undefined;
  end: OutcomeKind | undefined;
  ending: boolean;
}

/** The supervisor of apps/worker (run-supervisor.ts) and the consumer's handler (worker.ts), without their timers. */
export class Worker {
  frozen = false;
  attempt: Attempt | undefined;
  private claiming = false;
  /** Answers that came while it was frozen. */
  private inbox: (() => void)[] = [];
  private readonly store: BlobStore;
  /** How far its wall clock is off, seconds. */
  readonly skew: number;

  constructor(store: BlobStore, skew: number) {
    this.store = store;
    this.skew = skew;
  }

  get idle(): boolean {
    return !this.frozen && !this.claiming && !this.attempt;
  }

  crash(): void {
    this.frozen = false;
    this.claiming = false;
    this.attempt = undefined;
    this.inbox = [];
  }

  thaw(): void {
    this.frozen = false;
    for (const handle of this.inbox.splice(0)) handle();
  }

  claim(runId: number, now: number): Request {
    this.claiming = true;
    return { kind: 'claim', runId, wall: now + this.skew };
  }

  heartbeat(now: number): Request | undefined {
    if (this.frozen || !this.attempt) return undefined;
    this.attempt.heartbeat = { kind: 'heartbeat', claim: this.attempt.claim, wall: now + this.skew };
    return this.attempt.heartbeat;
  }

  /** The next write to send, if one waits and none is under way; the attempt's end once its trainer is gone. */
  nextWrite(): FencedWrite | undefined {
    const { attempt } = this;
    if (this.frozen || !attempt || attempt.underWay) return undefined;
    if (attempt.writes.length === 0 && attempt.trainer.gone && !attempt.ending) this.finish(attempt);
    const next = attempt.writes[0];
    attempt.underWay = next !== undefined;
    return next;
  }

  private finish(attempt: Attempt): void {
    if (attempt.metrics.length > 0) {
      this.flush(attempt);
      return;
    }
    const { claim, end, stopping } = attempt;
    attempt.ending = true;
    attempt.writes.push({ kind: 'end', claim, outcome: end ?? (stopping ? STOPPED[stopping] : 'crashed') });
  }

  /** What came back; at once, or when the worker thaws. */
  answered(request: Request, answer: Answer | 'lost', now: () => number, sentAt: number): void {
    if (this.frozen) this.inbox.push(() => this.handle(request, answer, now(), sentAt));
    else this.handle(request, answer, now(), sentAt);
  }

  private handle(request: Request, answer: Answer | 'lost', now: number, sentAt: number): void {
    if (request.kind === 'claim') this.afterClaim(answer, now);
    else if (request.kind === 'heartbeat') this.afterHeartbeat(request, answer, now, sentAt);
    else this.afterWrite(request, answer, now);
  }

  private afterClaim(answer: Answer | 'lost', now: number): void {
    if (!this.claiming) return; // asked before it crashed
    this.claiming = false;
    if (answer === 'lost' || answer.kind !== 'claimed') return;
    this.attempt = {
      claim: answer.claim,
      trainer: new Trainer(this.store, answer.manifests, now),
      heldUntil: now + LEASE,
      heartbeat: undefined,
      writes: [],
      underWay: false,
      metrics: [],
      stopping: undefined,
      end: undefined,
      ending: false,
    };
  }

  private afterHeartbeat(request: Request, answer: Answer | 'lost', now: number, sentAt: number): void {
    const { attempt } = this;
    if (attempt?.heartbeat !== request || answer === 'lost') return;
    if (answer.kind === 'fenced' && !attempt.end && !attempt.ending) this.attempt = undefined;
    if (answer.kind !== 'order') return;
    attempt.heldUntil = sentAt + LEASE;
    attempt.trainer.leaseRenewed = now;
    if (answer.order !== 'continue') this.stop(answer.order);
  }

  private afterWrite(request: FencedWrite, answer: Answer | 'lost', now: number): void {
    const { attempt } = this;
    if (attempt?.claim !== request.claim || attempt.writes[0] !== request) return;
    attempt.underWay = false;
    if (answer === 'lost') this.giveUpAfterLease(attempt, now);
    else if (answer.kind === 'fenced' || request.kind === 'end') this.attempt = undefined;
    else attempt.writes.shift();
  }

  /** A write that got no answer is tried again until the lease, as the worker knows it, is over. */
  private giveUpAfterLease(attempt: Attempt, now: number): void {
    if (now <= attempt.heldUntil) return;
    if (attempt.ending) {
      this.attempt = undefined;
      return;
    }
    attempt.trainer.gone = true;
    attempt.end = 'crashed';
    attempt.writes = [];
    attempt.metrics = [];
  }

  watchLease(now: number): void {
    if (!this.frozen && this.attempt && now > this.attempt.heldUntil) this.attempt.trainer.gone = true;
  }

  stop(why: Stop): void {
    const { attempt } = this;
    if (this.frozen || !attempt || attempt.stopping === why || attempt.stopping === 'cancel') return;
    attempt.stopping = why;
  }

  killTrainer(): void {
    if (this.attempt) this.attempt.trainer.gone = true;
  }

  /** Lets the trainer, a process of its own, do its next thing; what it says waits while its worker is frozen. */
  train(now: number, ahead: boolean, mishap?: 'rewind' | 'fail'): void {
    const { attempt } = this;
    if (!attempt || attempt.trainer.gone) return;
    for (const said of attempt.trainer.work(now, attempt.stopping, ahead, mishap)) {
      const { claim } = attempt;
      if (said.kind === 'metrics') attempt.metrics.push(said.step);
      else if (said.kind === 'stopped') attempt.end = attempt.stopping && STOPPED[attempt.stopping];
      else if (said.kind === 'ended') attempt.end = said.outcome;
      else {
        if (said.kind === 'checkpoint' || said.kind === 'damage') this.flush(attempt);
        attempt.writes.push({ ...said, claim });
      }
    }
  }

  flushMetrics(): void {
    if (!this.frozen && this.attempt) this.flush(this.attempt);
  }

  private flush(attempt: Attempt): void {
    const { claim, metrics } = attempt;
    if (metrics.length === 0) return;
    attempt.writes.push({ kind: 'metrics', claim, steps: metrics });
    attempt.metrics = [];
  }
}
