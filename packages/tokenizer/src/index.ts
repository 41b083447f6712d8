export { BpeTrainer, type BpeTrainerOptions } from './bpe-trainer.ts';
export { CHAT_TEMPLATE, type ChatMessage, renderChat } from './chat.ts';
export { SPECIAL_TOKENS } from './special-tokens.ts';
export { StreamDecoder } from './stream-decoder.ts';
export { Tokenizer } from './tokenizer.ts';
