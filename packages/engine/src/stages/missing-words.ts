import { TrainyardError } from '@trainyard/contracts';
import type { Tokenizer } from '@trainyard/tokenizer';
import { generate } from '../generate.ts';
import type { ModelConfig } from '../model/model-config.ts';
import type { Parameters } from '../model/parameters.ts';
import { predictMasked } from '../predict.ts';
import { infillPrompt, type Objective } from './objectives.ts';

export interface MissingWordsOptions {
  params: Parameters;
  config: ModelConfig;
  tokenizer: Tokenizer;
  /** What the model was trained on: it decides how a gap is shown. */
  objective: Objective;
  documents: string[];
  /** Evenly spaced over all words when there are more. */
  maxWords: number;
  signal?: AbortSignal;
}

export interface MissingWords {
  words: number;
  /** Share of words restored exactly. */
  accuracy: number;
  /** The same for the best answer that ignores the text around: always the most frequent of these words. */
  unigramAccuracy: number;
  standardError: number;
}

interface Gap {
  before: Int32Array;
  word: Int32Array;
  after: Int32Array;
}

/**
 * Takes one word at a time out of the text and asks for it greedily, the number of its tokens being known.
 * @throws TrainyardError invalid_data when the documents hold no word that fits the context.
 */
export async function missingWords(options: MissingWordsOptions): Promise<MissingWords> {
  const { documents, tokenizer, config, maxWords, signal } = options;
  const gaps = spread(
    documents.flatMap((text) => findWords(text).map((span) => ({ text, span }))),
    maxWords,
  )
    .map(({ text, span }) => gapAt(text, span, tokenizer, config.contextLength))
    .filter((gap) => gap.word.length + 4 <= config.contextLength);
  if (gaps.length === 0)
    throw new TrainyardError('invalid_data', 'The documents hold no words to take out.', {
      param: 'documents',
    });
  let right = 0;
  for (const gap of gaps) {
    signal?.throwIfAborted();
    const answer = await restore(options, gap);
    right += Number(answer.every((token, i) => token === gap.word[i]));
  }
  const accuracy = right / gaps.length;
  return {
    words: gaps.length,
    accuracy,
    unigramAccuracy: shareOfMostFrequent(gaps.map(({ word }) => word.join())),
    standardError: Math.sqrt((accuracy * (1 - accuracy)) / gaps.length),
  };
}

/** Words with the space before them, as the tokenizer's merges see them: [start, end) in the text. */
function findWords(text: string): [number, number][] {
  return [...text.matchAll(/ ?[\p{L}\p{M}]+/gu)].map(({ index, 0: word }) => [index, index + word.length]);
}

function spread<T>(items: T[], most: number): T[] {
  if (items.length <= most) return items;
  return Array.from({ length: most }, (_, i) => items[Math.floor((i * items.length) / most)]!);
}

/** More than text has on average: enough characters to fill a context, however long the document. */
const CHARACTERS_PER_TOKEN = 16;

/** A gap with as much text on both sides as the context holds besides the word and three markers. */
function gapAt(text: string, [start, end]: [number, number], tokenizer: Tokenizer, context: number): Gap {
  const word = tokenizer.encode(text.slice(start, end));
  const reach = CHARACTERS_PER_TOKEN * context;
  const before = tokenizer.encode(text.slice(Math.max(0, start - reach), start));
  const after = tokenizer.encode(text.slice(end, end + reach));
  const room = Math.max(0, context - word.length - 3);
  const afterLength = Math.min(after.length, Math.max(room >> 1, room - before.length));
  const beforeLength = Math.min(before.length, room - afterLength);
  return { before: before.slice(before.length - beforeLength), word, after: after.slice(0, afterLength) };
}

async function restore(options: MissingWordsOptions, { before, word, after }: Gap): Promise<number[]> {
  const { params, config, objective, tokenizer } = options;
  const { special } = tokenizer;
  if (objective === 'masked') {
    const tokens = Int32Array.of(...before, ...word.map(() => special.mask), ...after);
    const masks = await predictMasked(params, config, tokens, special.mask, 1);
    return masks.map(({ candidates }) => candidates[0]!.token);
  }
  const prompt =
    objective === 'fill_in_the_middle'
      ? infillPrompt(before, after, special)
      : Int32Array.of(tokenizer.beginOfText, ...before);
  const maxNewTokens = word.length;
  const [completion] = await generate({
    params,
    config,
    prompts: [prompt],
    maxNewTokens,
    temperature: 0,
    stopTokens: [],
    seed: 0,
  });
  return [...completion!.tokens];
}

function shareOfMostFrequent(words: string[]): number {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return Math.max(...counts.values()) / words.length;
}
