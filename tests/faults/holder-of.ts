import { listAttempts, listWorkers } from '@trainyard/db';
import type { Cluster } from './cluster.ts';
import type { Program } from './program.ts';

/** The worker that has the run, or had it last. */
export async function holderOf({ db, workers }: Cluster, runId: string): Promise<Program> {
  const { worker_id } = (await listAttempts(db, runId)).at(-1)!;
  const { data } = await listWorkers(db, { limit: 200 }, 60);
  const { name } = data.find(({ id }) => id === worker_id)!;
  return workers.find((worker) => worker.name === name)!;
}
