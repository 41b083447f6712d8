import { type Static, Type } from 'typebox';
import { Id, Name, Nullable, OneOf, Page, ref, Strict, Timestamp } from '../schema.ts';
import { StageSchema } from '../stage-config.ts';
import { Run } from './run.ts';

/** An earlier stage's output, or the same references that a run takes. */
export const StageReference = Type.Union([
  Type.String({ minLength: 1, maxLength: 220 }),
  Strict({ stage: Name }),
]);

export const PipelineStage = Strict({
  name: Name,
  stage: StageSchema,
  inputs: Strict({
    datasets: Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 220 }), { maxItems: 64 })),
    tokenizer: Type.Optional(StageReference),
    base: Type.Optional(StageReference),
    reward_model: Type.Optional(StageReference),
  }),
  config: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  seed: Type.Integer({ minimum: 0, maximum: 2_147_483_647, default: 1 }),
  max_attempts: Type.Integer({ minimum: 1, maximum: 1000, default: 10 }),
});
export type PipelineStage = Static<typeof PipelineStage>;

export const CreatePipeline = Strict(
  { name: Type.Optional(Name), stages: Type.Array(PipelineStage, { minItems: 1, maxItems: 100 }) },
  { $id: 'CreatePipeline' },
);
export type CreatePipeline = Static<typeof CreatePipeline>;

export const PIPELINE_STATES = ['running', 'succeeded', 'failed', 'cancelled'] as const;
export type PipelineState = (typeof PIPELINE_STATES)[number];

export const Pipeline = Type.Object(
  {
    id: Id,
    name: Nullable(Type.String()),
    state: OneOf(PIPELINE_STATES, { description: 'Derived from its runs.' }),
    runs: Type.Array(ref(Run)),
    created_at: Timestamp,
  },
  { $id: 'Pipeline' },
);
export type Pipeline = Static<typeof Pipeline>;
export const PipelinePage = Page(Pipeline, 'PipelinePage');
