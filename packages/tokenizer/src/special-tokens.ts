/** Tokens that no text encodes to: only the code that lays out training data and prompts places them. */
export const SPECIAL_TOKENS = {
  endOfText: '<|endoftext|>',
  pad: '<|pad|>',
  system: '<|system|>',
  user: '<|user|>',
  assistant: '<|assistant|>',
  end: '<|end|>',
  mask: '<|mask|>',
  fimPrefix: '<|fim_prefix|>',
  fimMiddle: '<|fim_middle|>',
  fimSuffix: '<|fim_suffix|>',
} as const;

export type SpecialIds = Record<keyof typeof SPECIAL_TOKENS, number>;

/** The specials in id order. */
export const SPECIAL_TEXTS: readonly string[] = Object.values(SPECIAL_TOKENS);

/** Ids: specials, then one token per byte value, then one per merge in the order it was learnt. */
export const FIRST_BYTE_ID = SPECIAL_TEXTS.length;
export const FIRST_MERGE_ID = FIRST_BYTE_ID + 256;

/** Keeps a pair of ids exact in one JavaScript number (2 x 20 bits). */
export const MAX_VOCAB_SIZE = 2 ** 20;
