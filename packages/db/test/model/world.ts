import { BlobStore } from './blob-store.ts';
import type { Decisions } from './decisions.ts';
import { DeliveryQueue } from './delivery-queue.ts';
import { Ledger } from './ledger.ts';
import { type Answer, Postgres, type Request } from './postgres.ts';
import { reconcile } from './reconciler.ts';
import { Worker } from './worker.ts';

export const RUNS = 2;
export const WORKERS = 3;
export const RECONCILERS = 2;

/** What the network does to a request and its answer. */
export const FATES = ['arrives', 'lost', 'answer lost', 'under way'] as const;
export type Fate = (typeof FATES)[number];

interface Flight {
  worker: Worker;
  request: Request;
  sentAt: number;
}

/** Everything there is: one Postgres, one queue, one store, workers, and processes that reconcile. */
export class World {
  readonly ledger: Ledger;
  readonly postgres: Postgres;
  readonly queue = new DeliveryQueue();
  readonly store = new BlobStore();
  readonly workers: Worker[] = [];
  private readonly passes: (Generator<void, void, void> | undefined)[] = [];
  private flights: Flight[] = [];
  readonly decisions: Decisions;

  constructor(decisions: Decisions, counts: Record<string, number>, maxAttempts: number) {
    this.decisions = decisions;
    this.ledger = new Ledger(counts);
    this.postgres = new Postgres(decisions, this.ledger);
    for (let i = 0; i < RUNS; i++) this.postgres.createRun(maxAttempts);
    this.queue.enqueue(this.postgres.outbox);
    for (let i = 0; i < WORKERS; i++) this.addWorker((i - 1) * 1000);
  }

  addWorker(skew: number): Worker {
    const worker = new Worker(this.store, skew);
    this.workers.push(worker);
    return worker;
  }

  check(): void {
    this.ledger.check(this.decisions);
  }

  take(worker: Worker, index: number, fate: Fate): void {
    if (!worker.idle) return;
    const delivery = this.queue.take(index);
    if (delivery) this.send(worker, worker.claim(delivery.runId, this.postgres.now), fate);
  }

  beat(worker: Worker, fate: Fate): void {
    const request = worker.heartbeat(this.postgres.now);
    if (request) this.send(worker, request, fate);
  }

  /** Sends the worker's next write. False if it has none. */
  write(worker: Worker, fate: Fate): boolean {
    const request = worker.nextWrite();
    if (request) this.send(worker, request, fate);
    return request !== undefined;
  }

  private send(worker: Worker, request: Request, fate: Fate): void {
    const flight = { worker, request, sentAt: this.postgres.now };
    if (fate === 'under way') this.flights.push(flight);
    else if (fate === 'lost') this.answer(flight, 'lost');
    else this.land(flight, fate === 'answer lost');
  }

  /** Lets a request that is under way arrive, whatever became of its worker. */
  arrive(index: number, answerLost: boolean): void {
    const flight = this.flights.splice(index % Math.max(1, this.flights.length), 1)[0];
    if (flight) this.land(flight, answerLost);
  }

  private land(flight: Flight, answerLost: boolean): void {
    const answer = this.postgres.apply(flight.request);
    this.answer(flight, answerLost ? 'lost' : answer);
  }

  private answer({ worker, request, sentAt }: Flight, answer: Answer | 'lost'): void {
    worker.answered(request, answer, () => this.postgres.now, sentAt);
  }

  get underWay(): number {
    return this.flights.length;
  }

  /** Does at most `operations` of a process's pass over the world; begins one if it is in none. */
  reconcile(process: number, operations: number): void {
    const pass = this.passes[process] ?? reconcile(this.postgres, this.queue, this.store);
    this.passes[process] = pass;
    for (let i = 0; i < operations; i++)
      if (pass.next().done) {
        this.passes[process] = undefined;
        return;
      } else this.check();
  }

  /** A process that reconciles dies within its pass. */
  abandonPass(process: number): void {
    this.passes[process] = undefined;
  }
}
