import type { EvalConfig } from '@trainyard/contracts';
import {
  bitsPerByte,
  disposeParameters,
  evaluateAnswers,
  loadParameters,
  missingWords,
  type Parameters,
  pairAccuracy,
  type toModelConfig,
} from '@trainyard/engine';
import type { Tokenizer } from '@trainyard/tokenizer';
import { toPreference, toQuestion } from '../chat-examples.ts';
import type { Ending, TrainerContext } from '../context.ts';
import { loadBase, loadTokenizer, records, take } from '../load-inputs.ts';
import { ByteBigram, gzipBitsPerByte } from '../text-baselines.ts';

const BIGRAM_BYTES = 20_000_000;
const SAMPLES_KEPT = 50;

interface Subject {
  tokenizer: Tokenizer;
  params: Parameters;
  config: ReturnType<typeof toModelConfig>;
}

type Task = (context: TrainerContext<'eval'>, subject: Subject) => Promise<Record<string, unknown>>;

const TASKS: Record<EvalConfig['task'], Task> = {
  bits_per_byte: evaluateText,
  missing_word: evaluateMissingWords,
  answers: evaluateQuestions,
  preferences: evaluatePreferences,
};

/** Measures a checkpoint on a split of the datasets; the result is the run's. */
export async function evaluate(context: TrainerContext<'eval'>): Promise<Ending> {
  const tokenizer = await loadTokenizer(context);
  const { weights, config } = await loadBase(context);
  const params = loadParameters(weights);
  try {
    const result = await TASKS[context.config.task](context, { tokenizer, params, config });
    return { kind: 'done', result: { task: context.config.task, split: context.config.split, ...result } };
  } finally {
    disposeParameters(params);
  }
}

async function evaluateText(context: TrainerContext<'eval'>, { tokenizer, ...model }: Subject) {
  const { split, limit } = context.config;
  const documents = (await take(records<'text'>(context, split), limit)).map(({ text }) => text);
  const bytes = documents.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  const measured = await bitsPerByte({
    ...model,
    documents: documents.map((text) => tokenizer.encode(text)),
    bytes,
    endOfText: tokenizer.beginOfText,
  });
  const bigram = new ByteBigram();
  let counted = 0;
  for await (const { text } of records<'text'>(context, 'train')) {
    bigram.add(text);
    counted += text.length;
    if (counted > BIGRAM_BYTES) break;
  }
  return {
    documents: documents.length,
    bytes,
    tokens: measured.tokens,
    bits_per_byte: measured.bitsPerByte,
    bigram_bits_per_byte: bigram.bitsPerByte(documents),
    gzip_bits_per_byte: gzipBitsPerByte(documents),
  };
}

async function evaluateMissingWords(context: TrainerContext<'eval'>, { tokenizer, ...model }: Subject) {
  const { split, limit } = context.config;
  const documents = (await take(records<'text'>(context, split), limit)).map(({ text }) => text);
  const { objective } = context.job.inputs.base!.model as {
    objective: 'next_word' | 'masked' | 'fill_in_the_middle';
  };
  const measured = await missingWords({ ...model, tokenizer, objective, documents, maxWords: limit });
  return {
    words: measured.words,
    accuracy: measured.accuracy,
    standard_error: measured.standardError,
    unigram_accuracy: measured.unigramAccuracy,
  };
}

async function evaluateQuestions(context: TrainerContext<'eval'>, { tokenizer, ...model }: Subject) {
  const { split, limit, grader, samples, temperature, max_new_tokens: maxNewTokens } = context.config;
  const asked = await take(records<'chat' | 'instruction' | 'prompts'>(context, split), limit);
  const measured = await evaluateAnswers({
    ...model,
    questions: asked.map((record) => toQuestion(tokenizer, record)),
    grader,
    decode: (tokens) => tokenizer.decode(tokens),
    stopTokens: [tokenizer.endOfMessage],
    maxNewTokens,
    samplesPerQuestion: samples,
    temperature,
    seed: context.job.seed,
  });
  return {
    questions: measured.questions,
    accuracy: measured.accuracy,
    accuracy_standard_error: measured.accuracyStandardError,
    mean_grade: measured.meanGrade,
    stop_rate: measured.stopRate,
    ...(measured.passAt1 === undefined
      ? {}
      : { pass_at_1: measured.passAt1, pass_at_1_standard_error: measured.passAt1StandardError }),
    answers: measured.answers.slice(0, SAMPLES_KEPT),
  };
}

async function evaluatePreferences(context: TrainerContext<'eval'>, { tokenizer, ...model }: Subject) {
  const { split, limit } = context.config;
  const pairs = await take(records<'preference'>(context, split), limit);
  const measured = await pairAccuracy({
    ...model,
    pairs: pairs.map((record) => toPreference(tokenizer, record)),
  });
  return { pairs: pairs.length, accuracy: measured.accuracy, margin: measured.margin };
}
