import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Job } from 'bullmq';
import type { Consumer, Delivery, Handler, Outcome } from './queue.ts';
import type { Renewable } from './renewable.ts';
import type { StageWorker, Transport } from './transport.ts';
import { within } from './within.ts';

const POLL = 200; // ms between looks at empty queues
const REDELIVERY = 1000; // ms
const OUTAGE_PAUSE = 500; // ms between attempts while the server is away
const PATIENCE = 10_000; // ms for one operation

/**
 * Fetches by itself instead of BullMQ's loop, one job at a time over all its stages: a consumer whose handler answered
 * `taken` holds no job of any stage, and pausing touches no connection.
 */
export function consume(
  transport: Transport,
  workers: Renewable<StageWorker>,
  stages: readonly string[],
  handler: Handler,
  log: (line: string) => void,
): Consumer {
  const ended = new AbortController();
  let paused = false;
  let resumed = 0; // times
  let wake = () => {};

  async function rest(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: ended.signal }).catch(() => {});
  }

  /** @returns undefined where no job waits */
  async function deliverNext(stage: string): Promise<Outcome | undefined> {
    return workers.use(stage, async (worker) => {
      const token = randomUUID();
      const job = await within(PATIENCE, worker.getNextJob(token, { block: false }));
      if (job === undefined) return undefined;
      const outcome = await ask(job.data as Delivery);
      await within(PATIENCE, settle(job, token, outcome));
      return outcome;
    });
  }

  async function ask(delivery: Delivery): Promise<Outcome> {
    if (paused || ended.signal.aborted) return 'busy'; // since the fetch began
    const resumedBefore = resumed;
    try {
      const outcome = await handler(delivery);
      // A run may end, and resume us, before the handler's answer arrives here.
      if (outcome === 'taken' && resumed === resumedBefore) paused = true;
      return outcome;
    } catch (error) {
      log(`run ${delivery.runId} could not be handed over, and comes again: ${(error as Error).message}`);
      return 'busy';
    }
  }

  async function loop(): Promise<void> {
    for (let first = 0; !ended.signal.aborted; first += 1) {
      if (paused) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        continue;
      }
      let found = false;
      try {
        await transport.ready();
        for (let i = 0; i < stages.length && !paused && !ended.signal.aborted; i += 1) {
          found = (await deliverNext(stages[(first + i) % stages.length]!)) !== undefined || found;
        }
      } catch (error) {
        log(`queue: ${(error as Error).message}`);
        await rest(OUTAGE_PAUSE);
      }
      if (!found) await rest(POLL);
    }
  }

  const running = loop();
  return {
    async pause() {
      paused = true;
    },
    async resume() {
      resumed += 1;
      paused = false;
      wake();
    },
    async close() {
      ended.abort();
      wake();
      await within(3000, running).catch(() => {});
    },
  };
}

async function settle(job: Job, token: string, outcome: Outcome): Promise<void> {
  if (outcome === 'busy') await job.moveToDelayed(Date.now() + REDELIVERY, token);
  else await job.moveToCompleted(outcome, token, false);
}
