import type { Execution } from '@trainyard/tensor';
import { openGenerator, type TextGenerator } from '../generate.ts';
import type { ModelConfig } from '../model/model-config.ts';
import type { Parameters } from '../model/parameters.ts';
import { random } from '../random.ts';
import { type Grader, grade } from './graders.ts';
import { withoutStop } from './sample-rollout.ts';

/** A question laid out as the model expects it, up to where it answers, with the answers that are right. */
export interface Question {
  tokens: Int32Array;
  text: string;
  reference: string[];
}

export interface AnswerEvaluation {
  questions: number;
  /** Share of questions whose greedy answer passes (grade 1), and its standard error over questions. */
  accuracy: number;
  accuracyStandardError: number;
  /** Mean grade of the greedy answers; differs from `accuracy` under the grader `similarity` alone. */
  meanGrade: number;
  /** Share of greedy answers that ended by themselves. */
  stopRate: number;
  /** pass@1 of sampled answers: mean over questions of the share that passes; only with samplesPerQuestion > 0. */
  passAt1?: number;
  /** Standard error of pass@1 over questions (samples of one question are not independent). */
  passAt1StandardError?: number;
  answers: { prompt: string; completion: string; reward: number; stopped: boolean }[];
}

export interface EvaluateAnswersOptions {
  params: Parameters;
  config: ModelConfig;
  questions: readonly Question[];
  grader: Grader;
  decode: (tokens: Int32Array) => string;
  stopTokens: number[];
  maxNewTokens: number;
  samplesPerQuestion: number;
  /** Of the sampled answers; the others are greedy. */
  temperature: number;
  seed: number;
  /** Sequences generated at a time. */
  batchSize?: number;
  execution?: Execution;
}

/** Question answering, greedy and sampled. */
export async function evaluateAnswers(options: EvaluateAnswersOptions): Promise<AnswerEvaluation> {
  const writer = openGenerator(options.config, options.execution);
  try {
    writer.load(options.params);
    return await evaluateWith(writer, options);
  } finally {
    writer.dispose();
  }
}

async function evaluateWith(
  writer: TextGenerator,
  options: EvaluateAnswersOptions,
): Promise<AnswerEvaluation> {
  const { questions, samplesPerQuestion, temperature } = options;
  const greedy = await answer(writer, options, questions, 0);
  const passed = greedy.map(({ reward }) => Number(reward === 1));
  const accuracy = meanAndError(passed);
  const result = {
    questions: questions.length,
    accuracy: accuracy.mean,
    accuracyStandardError: accuracy.standardError,
    meanGrade: meanAndError(greedy.map(({ reward }) => reward)).mean,
    stopRate: meanAndError(greedy.map(({ stopped }) => Number(stopped))).mean,
    answers: greedy,
  };
  if (samplesPerQuestion === 0) return result;
  const repeated = questions.flatMap((question) =>
    Array.from({ length: samplesPerQuestion }, () => question),
  );
  const sampled = await answer(writer, options, repeated, temperature);
  const shares = questions.map((_, i) => {
    const own = sampled.slice(i * samplesPerQuestion, (i + 1) * samplesPerQuestion);
    return own.filter(({ reward }) => reward === 1).length / samplesPerQuestion;
  });
  const { mean, standardError } = meanAndError(shares);
  return { ...result, passAt1: mean, passAt1StandardError: standardError };
}

async function answer(
  writer: TextGenerator,
  { batchSize = 64, decode, grader, ...options }: EvaluateAnswersOptions,
  questions: readonly Question[],
  temperature: number,
): Promise<AnswerEvaluation['answers']> {
  const answers: AnswerEvaluation['answers'] = [];
  for (let start = 0; start < questions.length; start += batchSize) {
    const batch = questions.slice(start, start + batchSize);
    const completions = await writer.generate({
      prompts: batch.map(({ tokens }) => tokens),
      maxNewTokens: options.maxNewTokens,
      stopTokens: options.stopTokens,
      temperature,
      seed: Math.floor(random(options.seed, 'answers', start)() * 2 ** 32),
    });
    for (const [i, generated] of completions.entries()) {
      const { text, reference } = batch[i]!;
      const completion = decode(withoutStop(generated));
      const reward = grade(grader, completion, reference);
      answers.push({ prompt: text, completion, reward, stopped: generated.stopped });
    }
  }
  return answers;
}

/** Mean and standard error of the mean (unbiased deviation / sqrt(n)); the error of one value is 0. */
export function meanAndError(values: readonly number[]): { mean: number; standardError: number } {
  const count = values.length;
  if (count === 0) return { mean: 0, standardError: 0 };
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, standardError: count === 1 ? 0 : Math.sqrt(squares / (count - 1) / count) };
}
