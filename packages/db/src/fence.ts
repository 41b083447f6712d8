import type { RunState } from '@trainyard/contracts';
import type { Tx } from './client.ts';
import type { RunModel } from './generated/models.ts';
import { fenceHolds } from './lifecycle.ts';
import { found } from './rows.ts';

/** What a worker shows with every write: the run, and the epoch in which it claimed it. */
export interface Fence {
  runId: string;
  epoch: number;
}

/** The writer's epoch is over: another worker has the run, or it ended. It must stop at once and write nothing more. */
export class FencedError extends Error {
  override readonly name = 'FencedError';
  constructor(fence: Fence, found: { epoch: number; state: string }) {
    super(
      `Epoch ${fence.epoch} of run ${fence.runId} is over: it is ${found.state} in epoch ${found.epoch}.`,
    );
  }
}

/**
 * Locks the pipeline of a run, if it has one. Whoever may move a pipeline on does this before it locks any run, since
 * two that lock in different orders block each other.
 */
export async function lockPipelineOf(tx: Tx, runId: string): Promise<void> {
  await tx.$executeRaw`SELECT 1 FROM pipelines p JOIN runs r ON r.pipeline_id = p.id WHERE r.id = ${runId}::uuid FOR UPDATE OF p`;
}

/** Locks the run's row until the transaction ends and returns it. */
export async function lockRun(tx: Tx, id: string): Promise<RunModel> {
  await tx.$executeRaw`SELECT 1 FROM runs WHERE id = ${id}::uuid FOR UPDATE`;
  return found(await tx.run.findUnique({ where: { id } }), 'run', id);
}

/** Locks the run's row for a worker's write. Throws `FencedError` unless the fence still holds. */
export async function lockFenced(tx: Tx, fence: Fence): Promise<RunModel> {
  const run = await lockRun(tx, fence.runId);
  const { epoch, state } = run;
  if (!fenceHolds({ epoch, state: state as RunState }, fence.epoch)) throw new FencedError(fence, run);
  return run;
}
