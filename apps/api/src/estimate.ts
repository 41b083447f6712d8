import {
  type CreateRun,
  countParameters,
  parseStageConfig,
  type RunEstimate,
  type Stage,
  type StageConfig,
} from '@trainyard/contracts';
import {
  type Database,
  getCheckpoint,
  getDatasetVersion,
  getTokenizer,
  listRuns,
  type ResolvedInputs,
  resolveInputs,
} from '@trainyard/db';
import { forwardOperations, type Model, memoryBytes, workOf } from './training-cost.ts';

/** Assumed until a run of the stage has shown what this installation does: a native backend on two cores. */
const ASSUMED_GFLOPS = 100;

/**
 * What a run would take, after every check that submitting it makes. Throws what submitting would throw.
 * Sequences are taken to fill the context, so that tokens and time are upper bounds for chats and answers.
 */
export async function estimateRun(db: Database, request: CreateRun): Promise<RunEstimate> {
  const { stage } = request;
  const config = parseStageConfig(stage, request.config);
  const inputs = await resolveInputs(db.client, stage, config, request.inputs);
  const model = await modelOf(db, stage, config, inputs);
  const versions = await Promise.all(inputs.datasets.map(({ id }) => getDatasetVersion(db, id)));
  const split = stage === 'eval' ? (config as StageConfig['eval']).split : 'train';
  const records = versions.reduce((sum, version) => sum + version[split].records, 0);
  const work = model && workOf(stage, config, model.context_length, records);
  const echo = { stage, config: config as Record<string, unknown> };
  if (!model || !work) return { ...echo, ...NOTHING };
  const operations = work.tokens * work.passes * forwardOperations(model);
  const measured = await recentOperationsPerSecond(db, stage);
  const bytes = versions.reduce((sum, version) => sum + version[split].bytes, 0);
  const epochs =
    work.records === null
      ? work.tokens / (bytes / (await bytesPerToken(db, inputs)))
      : work.records / records;
  return {
    ...echo,
    parameters: countParameters(model, model.vocab_size),
    steps: work.steps,
    tokens: work.tokens,
    epochs,
    floating_point_operations: operations,
    memory_bytes: memoryBytes(model, work),
    seconds: operations / (measured ?? ASSUMED_GFLOPS * 1e9),
    assumed_gflops: measured === undefined ? ASSUMED_GFLOPS : null,
  };
}

const NOTHING = {
  parameters: null,
  steps: null,
  tokens: null,
  epochs: null,
  floating_point_operations: null,
  memory_bytes: null,
  seconds: null,
  assumed_gflops: null,
};

async function modelOf<S extends Stage>(
  db: Database,
  stage: S,
  config: StageConfig[S],
  inputs: ResolvedInputs,
): Promise<Model | undefined> {
  if (inputs.base) return (await getCheckpoint(db, inputs.base)).model as unknown as Model;
  if (stage !== 'pretrain' || !inputs.tokenizer) return undefined;
  const { vocab_size } = await getTokenizer(db, inputs.tokenizer);
  return { ...((config as StageConfig['pretrain']).model as unknown as Model), vocab_size };
}

async function bytesPerToken(db: Database, inputs: ResolvedInputs): Promise<number> {
  const id = inputs.tokenizer ?? (inputs.base && (await getCheckpoint(db, inputs.base)).tokenizer_id);
  // Of an imported tokenizer nothing was measured: most vocabularies take about 4 bytes of English a token.
  return id ? ((await getTokenizer(db, id)).bytes_per_token ?? 4) : 1;
}

/** Median over the last runs of the stage: their models' operations on a token, times their tokens per second. */
async function recentOperationsPerSecond(db: Database, stage: Stage): Promise<number | undefined> {
  const { data } = await listRuns(db, { stage, state: 'succeeded', limit: 9 });
  const rates: number[] = [];
  for (const { progress, checkpoint_id, config } of data) {
    if (!progress?.tokens_per_second || !checkpoint_id) continue;
    const model = (await getCheckpoint(db, checkpoint_id)).model as unknown as Model;
    const passes = workOf(stage, config as StageConfig[Stage], model.context_length, 0)?.passes ?? 0;
    rates.push(progress.tokens_per_second * passes * forwardOperations(model));
  }
  return rates.sort((a, b) => a - b)[rates.length >> 1];
}
