/** All that a job carries. `epoch` is the run's number of claims when it was enqueued; PostgreSQL knows the rest. */
export interface Delivery {
  runId: string;
  stage: string;
  epoch: number;
}

/**
 * A handler's answer, given in milliseconds: `taken`: the run is claimed, bring nothing more until resume();
 * `stale`: nothing to do, go on; `busy`: bring it again in about a second, to me or to another consumer.
 */
export type Outcome = 'taken' | 'stale' | 'busy';
export type Handler = (delivery: Delivery) => Promise<Outcome>;

/** Delivers at least once, and loses everything when its server does: whoever needs more enqueues again. */
export interface Queue {
  kind: 'redis' | 'postgres';
  /**
   * Idempotent while a delivery of the same run and epoch waits; once delivered it may be enqueued again.
   *
   * @throws TrainyardError unavailable within seconds while the queue's server is away
   */
  enqueue(deliveries: readonly Delivery[]): Promise<void>;
  /** Deliveries that wait, by stage. @throws TrainyardError unavailable */
  depth(stages: readonly string[]): Promise<Record<string, number>>;
  /** Starts at once, and goes on by itself when its server comes back. A handler that throws counts as `busy`. */
  consume(stages: readonly string[], handler: Handler): Promise<Consumer>;
  /** @throws TrainyardError unavailable */
  ping(): Promise<void>;
  /** Ends the consumers too. Takes seconds at most, whatever the server does. */
  close(): Promise<void>;
}

/** Calls its handler for one delivery at a time. */
export interface Consumer {
  /** No handler call begins after this; one under way ends. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  close(): Promise<void>;
}
