import type { Stage, Worker } from '@trainyard/contracts';
import type { Database } from './client.ts';
import type { WorkerModel } from './generated/models.ts';
import { databaseTime, found, iso, type Paged, type PageRequest, pageArguments, toPage } from './rows.ts';

export interface WorkerRegistration {
  id: string;
  name: string;
  stages: Stage[];
  backend: string;
  backendVersion: string | null;
  device: string;
  memoryBytes: number;
  hostname: string;
  pid: number;
  version: string;
}

export async function registerWorker(db: Database, worker: WorkerRegistration): Promise<void> {
  await db.client.worker.create({ data: worker });
}

export async function workerHeartbeat(db: Database, id: string, draining: boolean): Promise<void> {
  await db.client
    .$executeRaw`UPDATE workers SET heartbeat_at = now(), draining = ${draining} WHERE id = ${id}::uuid`;
}

export async function retireWorker(db: Database, id: string): Promise<void> {
  await db.client
    .$executeRaw`UPDATE workers SET stopped_at = now(), current_run_id = NULL WHERE id = ${id}::uuid`;
}

function workerState(row: WorkerModel, lostAfterSeconds: number, now: Date): Worker['state'] {
  if (row.stoppedAt) return 'stopped';
  if (now.getTime() - row.heartbeatAt.getTime() > lostAfterSeconds * 1000) return 'lost';
  if (row.draining) return 'draining';
  return row.currentRunId ? 'busy' : 'idle';
}

const toWorker =
  (lostAfterSeconds: number, now: Date) =>
  (row: WorkerModel): Worker => ({
    id: row.id,
    name: row.name,
    state: workerState(row, lostAfterSeconds, now),
    stages: row.stages as Stage[],
    backend: row.backend,
    backend_version: row.backendVersion,
    device: row.device,
    memory_bytes: Number(row.memoryBytes),
    hostname: row.hostname,
    pid: row.pid,
    version: row.version,
    current_run_id: row.currentRunId,
    started_at: iso(row.startedAt),
    heartbeat_at: iso(row.heartbeatAt),
  });

export async function getWorker(db: Database, id: string, lostAfterSeconds: number): Promise<Worker> {
  const row = found(await db.client.worker.findUnique({ where: { id } }), 'worker', id);
  return toWorker(lostAfterSeconds, await databaseTime(db.client))(row);
}

/** Workers, newest first; with `live` only those that sent a heartbeat within a lease and have not stopped. */
export async function listWorkers(
  db: Database,
  filter: PageRequest & { live?: boolean | undefined },
  lostAfterSeconds: number,
): Promise<Paged<Worker>> {
  const { where, ...paging } = pageArguments(filter);
  const now = await databaseTime(db.client);
  const live = { stoppedAt: null, heartbeatAt: { gt: new Date(now.getTime() - lostAfterSeconds * 1000) } };
  const rows = await db.client.worker.findMany({
    ...paging,
    where: { ...where, ...(filter.live ? live : {}) },
  });
  return toPage(rows, filter, toWorker(lostAfterSeconds, now));
}
