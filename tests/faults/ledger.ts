import { getRun, listAttempts, listMetrics } from '@trainyard/db';
import { readCheckpoint } from '@trainyard/storage';
import { productOf } from '../product-of.ts';
import type { Cluster } from './cluster.ts';

/** A run that was accepted, and how it must end. */
export interface Expected {
  id: string;
  /** Default succeeded. */
  state?: 'succeeded' | 'failed' | 'cancelled';
  /** What the uninterrupted run of the same configuration and seed made. */
  product?: string[];
}

/** What must not be: each list names what was found, and must be empty. */
export interface Ledger {
  /** Accepted runs that have not ended as expected. */
  lost: string[];
  /** Curves that are not the steps 1 to N, each once. */
  steps: string[];
  /** Rows that a worker wrote while it did not hold the lease of their epoch. */
  stale: string[];
  /** Checkpoints that were loaded and are not what their hashes say. */
  damaged: string[];
  /** Products that differ from the uninterrupted run's. */
  different: string[];
}

export const ZEROS: Ledger = { lost: [], steps: [], stale: [], damaged: [], different: [] };

/**
 * Holds the rows and the blobs against what always holds. Reads only; all runs should have ended. `damages` tells when
 * files were damaged on purpose: whoever had loaded one before is above suspicion.
 */
export async function readLedger(
  cluster: Cluster,
  expected: readonly Expected[],
  damages: ReadonlyMap<string, number> = new Map(),
): Promise<Ledger> {
  const ledger: Ledger = {
    lost: [],
    steps: [],
    stale: await staleWrites(cluster),
    damaged: [],
    different: [],
  };
  for (const { id, state = 'succeeded', product } of expected) {
    const run = await getRun(cluster.db, id);
    if (run.state !== state) ledger.lost.push(`${id} is ${run.state}: ${JSON.stringify(run.error)}`);
    const { optimization } = run.config as { optimization?: { steps: number } };
    if (optimization && run.state === 'succeeded') {
      const { data } = await listMetrics(cluster.db, id, {});
      const wrong = data.find(({ step }, index) => step !== index + 1);
      if (wrong || data.length !== optimization.steps)
        ledger.steps.push(
          `${id}: ${data.length} steps of ${optimization.steps}, ${wrong?.step} out of place`,
        );
    }
    if (product && run.state === 'succeeded') {
      const own = await productOf(cluster, run);
      if (JSON.stringify(own) !== JSON.stringify(product))
        ledger.different.push(`${id}: ${own} instead of ${product}`);
    }
    ledger.damaged.push(...(await damagedLoads(cluster, id, damages)));
  }
  return ledger;
}

/**
 * A worker may write rows of an epoch between the commit of its claim and the commit of the attempt's end. Both are told
 * from the commit times that Postgres keeps: the event of a claim is never changed, an attempt only when it ends.
 */
async function staleWrites({ db }: Cluster): Promise<string[]> {
  const rows = await db.client.$queryRaw<{ what: string }[]>`
    WITH claims AS (
      SELECT run_id, epoch, pg_xact_commit_timestamp(xmin) AS at FROM run_events
      WHERE type = 'state' AND data->>'event' = 'claim'
    ), ends AS (
      SELECT run_id, epoch, pg_xact_commit_timestamp(xmin) AS at FROM run_attempts WHERE ended_at IS NOT NULL
    ), writes AS (
      SELECT run_id, epoch, 'metrics of step ' || step AS what, pg_xact_commit_timestamp(xmin) AS at FROM run_metrics
      UNION ALL
      SELECT run_id, epoch, type || ' ' || data, pg_xact_commit_timestamp(xmin) FROM run_events
      WHERE type NOT IN ('state', 'attempt_lost')
      UNION ALL
      SELECT run_id, epoch, 'tokenizer', pg_xact_commit_timestamp(xmin) FROM tokenizers
    )
    SELECT run_id || ', epoch ' || epoch || ': ' || what || ' at ' || writes.at || ', claimed ' ||
      coalesce(claims.at::text, 'never') || ', ended ' || coalesce(ends.at::text, 'never') AS what
    FROM writes LEFT JOIN claims USING (run_id, epoch) LEFT JOIN ends USING (run_id, epoch)
    WHERE claims.at IS NULL OR writes.at < claims.at OR writes.at > ends.at`;
  const unfounded = await db.client.$queryRaw<{ what: string }[]>`
    SELECT run_id || ': checkpoint of step ' || step || ' that no event tells of' AS what FROM checkpoints c
    WHERE NOT EXISTS (SELECT 1 FROM run_events e WHERE e.run_id = c.run_id AND e.epoch = c.epoch
      AND e.type = 'checkpoint' AND e.data->>'checkpoint_id' = c.id::text)`;
  return [...rows, ...unfounded].map(({ what }) => what);
}

/**
 * The checkpoints from which attempts made steps, read again with their hashes. Left out are those whose files retention
 * deleted, and those that were found damaged after such an attempt had loaded them.
 */
async function damagedLoads(
  { db, blobs }: Cluster,
  runId: string,
  damages: ReadonlyMap<string, number>,
): Promise<string[]> {
  const damaged: string[] = [];
  for (const { start_step: step, epoch, started_at } of await listAttempts(db, runId)) {
    if (step === 0 || (await db.client.runMetric.count({ where: { runId, epoch } })) === 0) continue;
    const loaded = await db.client.checkpoint.findFirstOrThrow({
      where: { runId, step, epoch: { lt: epoch } },
      orderBy: { epoch: 'desc' },
    });
    const begun = Date.parse(started_at);
    const since = [
      loaded.damagedAt?.getTime() ?? 0,
      ...loaded.blobs.map((sha256) => damages.get(sha256) ?? 0),
    ];
    if (loaded.deletedAt || Math.max(...since) > begun) continue;
    try {
      const { manifest, file } = await readCheckpoint(blobs, loaded.manifestSha256);
      for (const { name } of manifest.files) await file(name);
    } catch (error) {
      damaged.push(`${runId}, epoch ${epoch}, step ${step}: ${(error as Error).message}`);
    }
  }
  return damaged;
}
