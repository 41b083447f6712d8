import { type Static, Type } from 'typebox';
import { RunStateSchema, TerminationReasonSchema } from '../run-state.ts';
import { Id, Name, Nullable, Page, ref, Strict, Timestamp } from '../schema.ts';
import { RunStageSchema, StageSchema } from '../stage-config.ts';

const Reference = Type.String({ minLength: 1, maxLength: 220 });

/** What a run is made from. Each is an id or a name: `dataset@version`, `model@alias`. */
export const RunInputs = Strict(
  {
    datasets: Type.Optional(
      Type.Array(Reference, {
        maxItems: 64,
        description: 'Dataset versions: ids or name@version (name alone: the latest).',
      }),
    ),
    tokenizer: Type.Optional(Type.String({ minLength: 1, description: 'A tokenizer (pretrain).' })),
    base: Type.Optional(
      Type.String({ minLength: 1, description: 'The checkpoint to start from: an id or name@alias.' }),
    ),
    reward_model: Type.Optional(
      Type.String({ minLength: 1, description: 'A reward model checkpoint (rl with judge reward_model).' }),
    ),
  },
  { $id: 'RunInputs' },
);
export type RunInputs = Static<typeof RunInputs>;

export const CreateRun = Strict(
  {
    name: Type.Optional(Name),
    stage: StageSchema,
    inputs: ref(RunInputs),
    config: Type.Optional(
      Type.Record(Type.String(), Type.Unknown(), {
        description: "The stage's own options; see the schemas RunConfig_*.",
      }),
    ),
    seed: Type.Integer({ minimum: 0, maximum: 2_147_483_647, default: 1 }),
    max_attempts: Type.Integer({
      minimum: 1,
      maximum: 1000,
      default: 10,
      description: 'Attempts that may die without progress before the run fails.',
    }),
  },
  { $id: 'CreateRun' },
);
export type CreateRun = Static<typeof CreateRun>;

export const Progress = Type.Object({
  step: Type.Integer(),
  total_steps: Type.Integer(),
  values: Type.Record(Type.String(), Type.Number()),
  tokens_per_second: Nullable(Type.Number()),
  seconds_left: Nullable(Type.Number()),
});
export type Progress = Static<typeof Progress>;

export const RunError = Type.Object({
  code: Type.String(),
  message: Type.String(),
  evidence: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
});
export type RunError = Static<typeof RunError>;

export const Run = Type.Object(
  {
    id: Id,
    name: Nullable(Type.String()),
    stage: RunStageSchema,
    state: RunStateSchema,
    state_reason: Nullable(Type.String()),
    termination_reason: Nullable(TerminationReasonSchema),
    error: Nullable(RunError),
    config: Type.Record(Type.String(), Type.Unknown()),
    inputs: Type.Record(Type.String(), Type.Unknown()),
    seed: Type.Integer(),
    epoch: Type.Integer({ description: 'Raised by each claim; a write with an old epoch changes nothing.' }),
    attempts: Type.Integer(),
    max_attempts: Type.Integer(),
    progress: Nullable(Progress),
    result: Nullable(Type.Record(Type.String(), Type.Unknown())),
    backend: Nullable(Type.String()),
    worker_id: Nullable(Id),
    pipeline_id: Nullable(Id),
    pipeline_stage: Nullable(Type.String()),
    tokenizer_id: Nullable(Id),
    checkpoint_id: Nullable(Id),
    created_at: Timestamp,
    started_at: Nullable(Timestamp),
    finished_at: Nullable(Timestamp),
    training_seconds: Type.Number({ description: "Time under a worker's lease, over all attempts." }),
  },
  { $id: 'Run' },
);
export type Run = Static<typeof Run>;
export const RunPage = Page(Run, 'RunPage');

export const RunEstimate = Type.Object(
  {
    stage: StageSchema,
    config: Type.Record(Type.String(), Type.Unknown()),
    parameters: Nullable(Type.Integer()),
    steps: Nullable(Type.Integer()),
    tokens: Nullable(Type.Integer()),
    epochs: Nullable(Type.Number()),
    floating_point_operations: Nullable(Type.Number()),
    memory_bytes: Nullable(Type.Number()),
    seconds: Nullable(
      Type.Number({ description: 'From the throughput of recent runs, else from the assumed GFLOP/s.' }),
    ),
    assumed_gflops: Nullable(Type.Number()),
  },
  { $id: 'RunEstimate' },
);
export type RunEstimate = Static<typeof RunEstimate>;

export const RunEvent = Type.Object(
  {
    id: Type.Integer(),
    run_id: Id,
    epoch: Type.Integer(),
    type: Type.String(),
    data: Type.Record(Type.String(), Type.Unknown()),
    at: Timestamp,
  },
  { $id: 'RunEvent' },
);
export type RunEvent = Static<typeof RunEvent>;
export const RunEventPage = Page(RunEvent, 'RunEventPage');

export const RunMetric = Type.Object(
  {
    step: Type.Integer(),
    epoch: Type.Integer(),
    at: Timestamp,
    values: Type.Record(Type.String(), Type.Number()),
  },
  { $id: 'RunMetric' },
);
export type RunMetric = Static<typeof RunMetric>;
export const RunMetrics = Type.Object(
  { data: Type.Array(RunMetric), total: Type.Integer(), downsampled: Type.Boolean() },
  { $id: 'RunMetrics' },
);
export type RunMetrics = Static<typeof RunMetrics>;

export const RunAttempt = Type.Object(
  {
    epoch: Type.Integer(),
    worker_id: Nullable(Id),
    backend: Nullable(Type.String()),
    start_step: Type.Integer(),
    outcome: Nullable(Type.String()),
    error: Nullable(RunError),
    started_at: Timestamp,
    ended_at: Nullable(Timestamp),
  },
  { $id: 'RunAttempt' },
);
export type RunAttempt = Static<typeof RunAttempt>;
export const RunAttemptList = Type.Object({ data: Type.Array(RunAttempt) }, { $id: 'RunAttemptList' });
