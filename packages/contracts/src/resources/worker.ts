import { type Static, Type } from 'typebox';
import { Id, Nullable, OneOf, Page, Timestamp } from '../schema.ts';
import { StageSchema } from '../stage-config.ts';

export const Worker = Type.Object(
  {
    id: Id,
    name: Type.String(),
    state: OneOf(['idle', 'busy', 'draining', 'stopped', 'lost'], {
      description: 'lost: no heartbeat for a lease.',
    }),
    stages: Type.Array(StageSchema),
    backend: Type.String(),
    backend_version: Nullable(Type.String()),
    device: Type.String(),
    memory_bytes: Type.Number(),
    hostname: Type.String(),
    pid: Type.Integer(),
    version: Type.String(),
    current_run_id: Nullable(Id),
    started_at: Timestamp,
    heartbeat_at: Timestamp,
  },
  { $id: 'Worker' },
);
export type Worker = Static<typeof Worker>;
export const WorkerPage = Page(Worker, 'WorkerPage');
