import { type Static, Type } from 'typebox';
import { Nullable, OneOf, Strict } from '../schema.ts';

const Sampling = {
  max_tokens: Type.Integer({ minimum: 1, maximum: 8192, default: 32 }),
  temperature: Type.Number({
    minimum: 0,
    maximum: 10,
    default: 0,
    description: '0 takes the likeliest token each time.',
  }),
  top_k: Type.Optional(Type.Integer({ minimum: 1 })),
  top_p: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 1 })),
  seed: Type.Integer({ minimum: 0, maximum: 2_147_483_647, default: 1 }),
  stream: Type.Boolean({ default: false, description: 'Answer as server-sent events.' }),
};

export const ChatMessage = Strict({
  role: OneOf(['system', 'user', 'assistant']),
  content: Type.String({ maxLength: 1_000_000 }),
});
export type ChatMessage = Static<typeof ChatMessage>;

export const PredictRequest = Strict(
  {
    text: Type.String({
      minLength: 1,
      maxLength: 1_000_000,
      description: 'For a model of missing words, each ___ is a blank.',
    }),
    top_k: Type.Integer({ minimum: 1, maximum: 1000, default: 10 }),
  },
  { $id: 'PredictRequest' },
);
export type PredictRequest = Static<typeof PredictRequest>;
const Candidate = Type.Object({ token: Type.Integer(), text: Type.String(), probability: Type.Number() });
export const Prediction = Type.Object(
  {
    positions: Type.Array(
      Type.Object({ blank: Nullable(Type.Integer()), candidates: Type.Array(Candidate) }),
    ),
  },
  { $id: 'Prediction' },
);
export type Prediction = Static<typeof Prediction>;

export const CompleteRequest = Strict(
  { prompt: Type.String({ maxLength: 1_000_000 }), ...Sampling },
  { $id: 'CompleteRequest' },
);
export type CompleteRequest = Static<typeof CompleteRequest>;
export const ChatRequest = Strict(
  { messages: Type.Array(ChatMessage, { minItems: 1, maxItems: 1000 }), ...Sampling },
  { $id: 'ChatRequest' },
);
export type ChatRequest = Static<typeof ChatRequest>;
export const Completion = Type.Object(
  {
    text: Type.String(),
    finish_reason: OneOf(['stop', 'length']),
    prompt_tokens: Type.Integer(),
    completion_tokens: Type.Integer(),
  },
  { $id: 'Completion' },
);
export type Completion = Static<typeof Completion>;
