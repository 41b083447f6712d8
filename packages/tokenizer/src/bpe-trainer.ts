import { TrainyardError } from '@trainyard/contracts';
import { MergeLearner } from './merge-learner.ts';
import { checkMaxWordLength, DEFAULT_MAX_WORD_LENGTH, detachedCopy, WordScanner } from './pre-tokens.ts';
import { FIRST_MERGE_ID, MAX_VOCAB_SIZE } from './special-tokens.ts';
import { Tokenizer } from './tokenizer.ts';

const DEFAULT_MAX_DISTINCT_WORDS = 4_000_000;
const PROGRESS_EVERY = 64;

export interface BpeTrainerOptions {
  /** Entries wanted: 10 special tokens, 256 bytes, the rest merges. */
  vocabSize: number;
  /** Longest run of letters (or signs, or spaces) in one word, in code points; default 64. */
  maxWordLength?: number;
  /** Bounds memory: beyond this many distinct words the rarest are forgotten; default 4,000,000. */
  maxDistinctWords?: number;
}

/**
 * Trains byte-pair encoding on streamed text, keeping only how often each word occurs. The same texts in any order
 * give the same tokenizer (as long as no rare word had to be forgotten).
 */
export class BpeTrainer {
  readonly #vocabSize: number;
  readonly #maxWordLength: number;
  readonly #maxDistinctWords: number;
  readonly #scanner: WordScanner;
  readonly #counts = new Map<string, number>();

  /** @throws TrainyardError `invalid_config` naming the option. */
  constructor(options: BpeTrainerOptions) {
    const { vocabSize, maxWordLength = DEFAULT_MAX_WORD_LENGTH } = options;
    const { maxDistinctWords = DEFAULT_MAX_DISTINCT_WORDS } = options;
    checkInteger('vocabSize', vocabSize, FIRST_MERGE_ID, MAX_VOCAB_SIZE);
    checkInteger('maxDistinctWords', maxDistinctWords, 1, 2 ** 24 - 1);
    this.#vocabSize = vocabSize;
    this.#maxWordLength = checkMaxWordLength(maxWordLength);
    this.#maxDistinctWords = maxDistinctWords;
    this.#scanner = new WordScanner(maxWordLength);
  }

  /** Counts the words of one text; a word never continues into the next text. */
  add(text: string): void {
    this.#scanner.scan(text, (word) => {
      const count = this.#counts.get(word);
      if (count !== undefined) this.#counts.set(word, count + 1);
      else this.#addNew(word);
    });
  }

  /**
   * Merges the most frequent pair until the vocabulary is full; ties go to the lowest ids. Where the texts run out of
   * pairs the tokenizer has fewer entries: see its `vocabSize`. Later texts and another `train` may follow.
   * `onProgress` counts merges, every 64 and at the end (where total is what was learnt).
   */
  train(options: { onProgress?(done: number, total: number): void } = {}): Tokenizer {
    const learner = new MergeLearner(this.#counts);
    const total = this.#vocabSize - FIRST_MERGE_ID;
    const pairs: number[] = [];
    for (let done = 0; done < total; done++) {
      const pair = learner.next();
      if (pair === undefined) break;
      pairs.push(...pair);
      if (done % PROGRESS_EVERY === 0) options.onProgress?.(done, total);
    }
    const learnt = pairs.length / 2;
    options.onProgress?.(learnt, learnt);
    return Tokenizer.fromMerges(Int32Array.from(pairs), this.#maxWordLength);
  }

  #addNew(word: string): void {
    if (this.#counts.size >= this.#maxDistinctWords) this.#forgetRarest();
    this.#counts.set(detachedCopy(word), 1);
  }

  /** Drops the words seen once, then twice, and so on, until half the room is free. */
  #forgetRarest(): void {
    for (let rare = 1; this.#counts.size > this.#maxDistinctWords / 2; rare++) {
      for (const [word, count] of this.#counts) if (count <= rare) this.#counts.delete(word);
    }
  }
}

function checkInteger(param: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new TrainyardError(
    'invalid_config',
    `${param} must be an integer from ${least} to ${most}, not ${value}.`,
    {
      param,
    },
  );
}
