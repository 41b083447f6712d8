export { BpeTrainer, type BpeTrainerOptions } from './bpe-trainer.ts';
export { type ChatMessage, chatTemplate, renderChat } from './chat.ts';
export type { PreTokenizerName } from './pre-tokenizer.ts';
export { SPECIAL_TOKENS } from './special-tokens.ts';
export { StreamDecoder } from './stream-decoder.ts';
export { Tokenizer } from './tokenizer.ts';
