import {
  disposeParameters,
  dpo,
  graderJudge,
  grpo,
  type Judge,
  loadParameters,
  rewardModelJudge,
} from '@trainyard/engine';
import { renderChat, type Tokenizer } from '@trainyard/tokenizer';
import { toPreference, toQuestion } from '../chat-examples.ts';
import type { Ending, TrainerContext } from '../context.ts';
import { drive } from '../drive.ts';
import { loadBase, loadModel, loadTokenizer, records, take } from '../load-inputs.ts';

/** Reinforcement learning from feedback: the model's own answers judged (GRPO), or preferences (DPO). */
export async function runRl(context: TrainerContext<'rl'>): Promise<Ending> {
  return context.config.algorithm === 'dpo' ? runDpo(context) : runGrpo(context);
}

async function runDpo(context: TrainerContext<'rl'>): Promise<Ending> {
  const { config } = context;
  const tokenizer = await loadTokenizer(context);
  const base = await loadBase(context);
  const pairs = (await take(records<'preference'>(context, 'train'))).map((record) =>
    toPreference(tokenizer, record),
  );
  return drive(context, { kind: 'assistant', model: base.stored, config }, (course) =>
    dpo({
      weights: base.weights,
      config: base.config,
      pairs,
      beta: config.dpo.beta,
      nllWeight: config.dpo.nll_weight,
      ...course,
    }),
  );
}

async function runGrpo(context: TrainerContext<'rl'>): Promise<Ending> {
  const { config } = context;
  const tokenizer = await loadTokenizer(context);
  const base = await loadBase(context);
  const prompts = (await take(records<'prompts'>(context, 'train'))).map((record) =>
    toQuestion(tokenizer, record),
  );
  const { grpo: options } = config;
  const judge = await openJudge(context, tokenizer);
  try {
    return await drive(context, { kind: 'assistant', model: base.stored, config }, (course) =>
      grpo({
        weights: base.weights,
        config: base.config,
        prompts,
        promptsPerStep: options.prompts_per_step,
        groupSize: options.group_size,
        updatesPerRollout: options.updates_per_rollout,
        temperature: options.temperature,
        maxNewTokens: options.max_new_tokens,
        clipRange: options.clip,
        klWeight: options.kl_coefficient,
        stopTokens: [tokenizer.endOfMessage],
        judge: judge.judge,
        decode: (tokens) => tokenizer.decode(tokens),
        ...course,
      }),
    );
  } finally {
    judge.dispose();
  }
}

interface OpenJudge {
  judge: Judge;
  dispose: () => void;
}

async function openJudge(
  { config, job, blobs }: TrainerContext<'rl'>,
  tokenizer: Tokenizer,
): Promise<OpenJudge> {
  const { rewardModel } = job.inputs;
  if (config.grpo.judge === 'grader' || !rewardModel)
    return { judge: graderJudge(config.grpo.grader), dispose: () => {} };
  const { weights, config: model } = await loadModel(blobs, rewardModel.manifestSha256);
  const params = loadParameters(weights);
  const layOut = (prompt: string, completion: string) =>
    renderChat(tokenizer, [
      { role: 'user', content: prompt },
      { role: 'assistant', content: completion },
    ]).tokens;
  return {
    judge: rewardModelJudge({ params, config: model, render: layOut }),
    dispose: () => disposeParameters(params),
  };
}
