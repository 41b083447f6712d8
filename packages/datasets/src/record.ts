import type { DatasetKind } from '@trainyard/contracts';
import type { ChatMessage } from '@trainyard/tokenizer';

/** A question as one string, or as the conversation so far, which ends with the user. */
export type Prompt = string | ChatMessage[];

/** A document: `{ text }`. */
export interface TextRecord {
  text: string;
}

/** An optional system message, then user and assistant in turn, the assistant last. */
export interface ChatRecord {
  messages: ChatMessage[];
}

/** Alpaca's form; an empty `input` is left out. */
export interface InstructionRecord {
  instruction: string;
  input?: string;
  output: string;
}

export interface PreferenceRecord {
  prompt: Prompt;
  chosen: string;
  rejected: string;
}

/** A question for reinforcement learning; `reference` lists the accepted answers where a rule can judge. */
export interface PromptsRecord {
  prompt: Prompt;
  reference?: string | string[];
}

interface Records {
  text: TextRecord;
  chat: ChatRecord;
  instruction: InstructionRecord;
  preference: PreferenceRecord;
  prompts: PromptsRecord;
}

export type RecordOf<K extends DatasetKind> = Records[K];
