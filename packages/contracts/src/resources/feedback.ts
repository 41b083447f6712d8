import { type Static, Type } from 'typebox';
import { Id, Name, Nullable, OneOf, Page, Strict, Timestamp } from '../schema.ts';
import { ChatMessage } from './inference.ts';

export const VERDICTS = ['a', 'b', 'tie', 'skip'] as const;
export type Verdict = (typeof VERDICTS)[number];

export const CreateComparison = Strict(
  {
    checkpoint: Type.String({
      minLength: 1,
      description: 'The assistant that writes both answers: an id or name@alias.',
    }),
    messages: Type.Array(ChatMessage, { minItems: 1, maxItems: 100 }),
    temperature: Type.Number({ exclusiveMinimum: 0, maximum: 10, default: 1 }),
    max_tokens: Type.Integer({ minimum: 1, maximum: 8192, default: 32 }),
    seed: Type.Integer({ minimum: 0, maximum: 2_147_483_647, default: 1 }),
  },
  { $id: 'CreateComparison' },
);
export type CreateComparison = Static<typeof CreateComparison>;

export const Comparison = Type.Object(
  {
    id: Id,
    checkpoint_id: Id,
    messages: Type.Array(ChatMessage),
    answer_a: Type.String(),
    answer_b: Type.String(),
    state: OneOf(['waiting', 'judged']),
    verdict: Nullable(OneOf(VERDICTS)),
    judge: Nullable(Type.String()),
    comment: Nullable(Type.String()),
    created_at: Timestamp,
    judged_at: Nullable(Timestamp),
  },
  { $id: 'Comparison' },
);
export type Comparison = Static<typeof Comparison>;
export const ComparisonPage = Page(Comparison, 'ComparisonPage');

export const JudgeComparison = Strict(
  {
    verdict: OneOf(VERDICTS),
    judge: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })),
    comment: Type.Optional(Type.String({ maxLength: 2000 })),
  },
  { $id: 'JudgeComparison' },
);
export type JudgeComparison = Static<typeof JudgeComparison>;

/** Judged comparisons become a version of a preference dataset, with each comparison in its lineage. */
export const CollectFeedback = Strict(
  {
    dataset: Name,
    checkpoint: Type.Optional(
      Type.String({ minLength: 1, description: 'Only comparisons of this checkpoint.' }),
    ),
    held_out_fraction: Type.Number({ minimum: 0, maximum: 1, default: 0.1 }),
  },
  { $id: 'CollectFeedback' },
);
export type CollectFeedback = Static<typeof CollectFeedback>;
