import type { ChatMessage, Completion, Prediction } from '@trainyard/contracts';

/** Where a model's files lie in the blob store. */
export interface ModelFiles {
  manifestSha256: string;
  tokenizerSha256: string;
}

interface Sampling {
  max_tokens: number;
  temperature: number;
  top_k?: number;
  top_p?: number;
  seed: number;
}

/** How a model of this kind reads a text with blanks: `next_word` has none. */
export type BlankForm = 'next_word' | 'masked' | 'fill_in_the_middle';

export type PredictTask = { kind: 'predict'; text: string; top_k: number; blanks: BlankForm };
export type WriteTask =
  | ({ kind: 'complete'; prompt: string } & Sampling)
  | ({ kind: 'chat'; messages: ChatMessage[] } & Sampling);
export type Task = PredictTask | WriteTask;

export type AnswerTo<T extends Task> = T extends PredictTask ? Prediction : Completion;
