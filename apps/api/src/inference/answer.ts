import { type Completion, type Prediction, TrainyardError } from '@trainyard/contracts';
import { type Candidate, infillPrompt, predictMasked, predictNext } from '@trainyard/engine';
import { renderChat } from '@trainyard/tokenizer';
import type { LoadedModel } from './loaded-model.ts';
import type { PredictTask, Task, WriteTask } from './task.ts';

export interface AnswerOptions {
  signal: AbortSignal;
  onText: (text: string) => void;
}

const BLANK = '___';

/** Does a task with a model. Throws `invalid_request` for what does not fit the model's context. */
export async function answer(
  model: LoadedModel,
  task: Task,
  options: AnswerOptions,
): Promise<Prediction | Completion> {
  return task.kind === 'predict' ? predict(model, task) : write(model, task, options);
}

async function predict(model: LoadedModel, { text, top_k, blanks }: PredictTask): Promise<Prediction> {
  const { params, config, tokenizer } = model;
  const { special } = tokenizer;
  const name = ({ token, probability }: Candidate) => ({
    token,
    text: tokenizer.decode([token], { keepSpecial: true }),
    probability,
  });
  const next = async (blank: number | null, tokens: Int32Array) => {
    requireRoom(tokens.length, 0, config.contextLength, 'text');
    return { blank, candidates: (await predictNext(params, config, tokens, top_k)).map(name) };
  };
  if (blanks === 'next_word')
    return { positions: [await next(null, Int32Array.of(tokenizer.beginOfText, ...tokenizer.encode(text)))] };

  // A word's token holds the space before it, and so does what stands for it.
  const parts = text.split(BLANK);
  if (parts.length === 1) missingBlank();
  const encoded = parts.map((part, i) =>
    tokenizer.encode(i < parts.length - 1 ? part.replace(/ $/, '') : part),
  );
  if (blanks === 'masked') {
    const tokens = encoded.flatMap((part, i) => (i === 0 ? [...part] : [special.mask, ...part]));
    requireRoom(tokens.length, 0, config.contextLength, 'text');
    const masks = await predictMasked(params, config, Int32Array.from(tokens), special.mask, top_k);
    return {
      positions: masks.map(({ candidates }, blank) => ({ blank, candidates: candidates.map(name) })),
    };
  }
  if (parts.length > 2)
    throw new TrainyardError('invalid_request', 'This model fills in one blank at a time.', {
      param: 'text',
    });
  return { positions: [await next(0, infillPrompt(encoded[0]!, encoded[1]!, special))] };
}

function missingBlank(): never {
  throw new TrainyardError(
    'invalid_request',
    `This model predicts blanks; write ${BLANK} for each in the text.`,
    {
      param: 'text',
    },
  );
}

async function write(
  { writer, config, tokenizer }: LoadedModel,
  task: WriteTask,
  { signal, onText }: AnswerOptions,
): Promise<Completion> {
  const chat = task.kind === 'chat';
  const prompt = chat
    ? renderChat(tokenizer, task.messages, { generationPrompt: true }).tokens
    : Int32Array.of(tokenizer.beginOfText, ...tokenizer.encode(task.prompt));
  requireRoom(prompt.length, task.max_tokens, config.contextLength, chat ? 'messages' : 'prompt');
  const decoder = tokenizer.decoder();
  const parts: string[] = [];
  const say = (text: string): void => {
    if (text === '') return;
    parts.push(text);
    onText(text);
  };
  const [completion] = await writer.generate({
    prompts: [prompt],
    maxNewTokens: task.max_tokens,
    temperature: task.temperature,
    ...(task.top_k === undefined ? {} : { topK: task.top_k }),
    ...(task.top_p === undefined ? {} : { topP: task.top_p }),
    seed: task.seed,
    stopTokens: [tokenizer.special.endOfText, tokenizer.endOfMessage],
    onToken: (_, token) => say(decoder.push(token)),
    signal,
  });
  say(decoder.flush());
  return {
    text: parts.join(''),
    finish_reason: completion!.stopped ? 'stop' : 'length',
    prompt_tokens: prompt.length,
    completion_tokens: completion!.tokens.length,
  };
}

function requireRoom(prompt: number, asked: number, context: number, param: string): void {
  if (prompt + asked <= context) return;
  const room = context - prompt;
  if (room > 0)
    throw new TrainyardError(
      'invalid_request',
      `The prompt takes ${prompt} of the model's ${context} tokens; ask for at most ${room} in max_tokens, not ${asked}.`,
      { param: 'max_tokens' },
    );
  throw new TrainyardError(
    'invalid_request',
    `The text takes ${prompt} tokens, but the model's context holds ${context}; shorten it.`,
    { param },
  );
}
