export type { StoredModel } from '@trainyard/contracts';
export {
  type Completion,
  type GenerationRequest,
  generate,
  openGenerator,
  type TextGenerator,
} from './generate.ts';
export { fromHost, type HostTensor, type HostTensors, toHost } from './host-tensor.ts';
export { type Likelihood, openLikelihood } from './likelihood.ts';
export { crossEntropy, tokenLogProbabilities } from './model/cross-entropy.ts';
export { type ForwardOptions, forward, head, logits } from './model/forward.ts';
export {
  flopsPerToken,
  type ModelConfig,
  validateModelConfig,
} from './model/model-config.ts';
export {
  checkParameters,
  disposeParameters,
  initParameters,
  loadParameters,
  lookup,
  type ParameterLookup,
  type Parameters,
} from './model/parameters.ts';
export { toModelConfig } from './model/stored-model.ts';
export { type Candidate, predictMasked, predictNext } from './predict.ts';
export { normal, permutation, random, shuffle } from './random.ts';
export { type BitsPerByteOptions, bitsPerByte } from './stages/bits-per-byte.ts';
export type { ChatExample } from './stages/chat-batch.ts';
export { type DpoOptions, dpo } from './stages/dpo.ts';
export { type AnswerEvaluation, evaluateAnswers, type Question } from './stages/evaluate-answers.ts';
export { type FinetuneOptions, finetune } from './stages/finetune.ts';
export { type Grader, grade } from './stages/graders.ts';
export { type GrpoOptions, grpo } from './stages/grpo.ts';
export { graderJudge, type Judge, type JudgedGroup } from './stages/judge.ts';
export { type LoraConfig, mergeAdapters } from './stages/lora.ts';
export { type MissingWords, type MissingWordsOptions, missingWords } from './stages/missing-words.ts';
export { infillPrompt, type Objective } from './stages/objectives.ts';
export type { Preference } from './stages/preference.ts';
export { type PretrainOptions, pretrain } from './stages/pretrain.ts';
export { pairAccuracy, type RewardModelOptions, trainRewardModel } from './stages/reward-model.ts';
export type { Prompt } from './stages/sample-rollout.ts';
export { rewardModelJudge, score } from './stages/score.ts';
export {
  type Control,
  NonFiniteLossError,
  type Optimization,
  type Sample,
  type TrainingEvent,
  type TrainingState,
} from './stages/training.ts';
