import {
  type CheckpointInput,
  type CheckpointKind,
  checkStageInputs,
  type DatasetInput,
  type ModelShape,
  type RunInputs,
  type Stage,
  type StageConfig,
  TrainyardError,
} from '@trainyard/contracts';
import type { Tx } from './client.ts';
import { toDatasetVersion } from './datasets.ts';
import type { CheckpointModel } from './generated/models.ts';
import type { Edge } from './lineage.ts';
import { referTo } from './retention.ts';
import { validate as isUuid } from './uuid.ts';

/** A run's inputs with every reference replaced by the id it named when the run was accepted. */
export interface ResolvedInputs {
  datasets: { id: string; name: string }[];
  tokenizer?: string;
  base?: string;
  reward_model?: string;
}

interface Resolution {
  inputs: ResolvedInputs;
  datasets: DatasetInput[];
  tokenizer: string | undefined;
  base: CheckpointInput | undefined;
  reward_model: CheckpointInput | undefined;
}

const missing = (what: string, reference: string, param: string): never => {
  throw new TrainyardError('not_found', `${param} names ${what} ${reference}, which does not exist.`, {
    param,
  });
};

/** `id`, `name@version` or `name` (its latest version). */
export async function resolveDatasetVersion(tx: Tx, reference: string, param: string) {
  const include = { dataset: true };
  if (isUuid(reference)) {
    const row = await tx.datasetVersion.findUnique({ where: { id: reference }, include });
    return toDatasetVersion(row ?? missing('the dataset version', reference, param));
  }
  const [name, ...versions] = reference.split('@');
  const version = versions.length > 0 ? versions.join('@') : undefined;
  if (version !== undefined && !/^\d{1,9}$/.test(version))
    throw new TrainyardError('invalid_request', `${reference} must be name@version with a number.`, {
      param,
    });
  const row = await tx.datasetVersion.findFirst({
    where: { dataset: { name: name ?? '' }, ...(version === undefined ? {} : { version: Number(version) }) },
    orderBy: { version: 'desc' },
    include,
  });
  return toDatasetVersion(row ?? missing('the dataset version', reference, param));
}

/** `id` or `model@alias`. */
export async function resolveCheckpoint(tx: Tx, reference: string, param: string): Promise<CheckpointModel> {
  if (isUuid(reference))
    return (
      (await tx.checkpoint.findUnique({ where: { id: reference } })) ??
      missing('the checkpoint', reference, param)
    );
  const alias = await tx.alias.findUnique({ where: { name: reference }, include: { checkpoint: true } });
  return alias?.checkpoint ?? missing('the checkpoint', reference, param);
}

/** A checkpoint whose files are to be read. Throws `invalid_state` if retention deleted them. */
export async function resolveStoredCheckpoint(
  tx: Tx,
  reference: string,
  param: string,
): Promise<CheckpointModel> {
  const row = await resolveCheckpoint(tx, reference, param);
  if (!row.deletedAt) return row;
  throw new TrainyardError(
    'invalid_state',
    `The files of checkpoint ${row.id} were deleted at ${row.deletedAt.toISOString()} by its run's retention; its lineage stays.`,
    { param },
  );
}

async function resolveTokenizer(tx: Tx, reference: string): Promise<string> {
  const param = 'inputs.tokenizer';
  const row = isUuid(reference) ? await tx.tokenizer.findUnique({ where: { id: reference } }) : null;
  return (row ?? missing('the tokenizer', reference, param)).id;
}

const toCheckpointInput = (row: CheckpointModel): CheckpointInput => ({
  kind: row.kind as CheckpointKind,
  tokenizer_id: row.tokenizerId,
  model: row.model as unknown as Pick<ModelShape, 'context_length'>,
});

/**
 * Resolves references and refuses what cannot serve the stage (see `checkStageInputs`).
 * `known` holds what a pipeline knows of inputs that earlier stages will make.
 */
export async function resolveInputs<S extends Stage>(
  tx: Tx,
  stage: S,
  config: StageConfig[S],
  request: RunInputs,
  known: { tokenizer?: string; base?: CheckpointInput; reward_model?: CheckpointInput } = {},
): Promise<ResolvedInputs> {
  const resolution: Resolution = {
    inputs: { datasets: [] },
    datasets: [],
    tokenizer: known.tokenizer,
    base: known.base,
    reward_model: known.reward_model,
  };
  for (const [index, reference] of (request.datasets ?? []).entries()) {
    const version = await resolveDatasetVersion(tx, reference, `inputs.datasets[${index}]`);
    const name = `${version.dataset_name}@${version.version}`;
    resolution.inputs.datasets.push({ id: version.id, name });
    resolution.datasets.push({
      name,
      kind: version.kind,
      train: version.train.records,
      held_out: version.held_out.records,
    });
  }
  if (request.tokenizer !== undefined) {
    resolution.tokenizer = await resolveTokenizer(tx, request.tokenizer);
    resolution.inputs.tokenizer = resolution.tokenizer;
  }
  for (const role of ['base', 'reward_model'] as const) {
    const reference = request[role];
    if (reference === undefined) continue;
    const param = `inputs.${role}`;
    const row = await referTo(tx, (await resolveCheckpoint(tx, reference, param)).id, param);
    resolution[role] = toCheckpointInput(row);
    resolution.inputs[role] = row.id;
  }
  checkStageInputs(stage, config, resolution);
  return resolution.inputs;
}

/** The lineage of a run: what goes into it. */
export function inputEdges(runId: string, inputs: ResolvedInputs): Edge[] {
  const to = { childType: 'run' as const, childId: runId };
  const edges: Edge[] = inputs.datasets.map(({ id }) => ({
    ...to,
    parentType: 'dataset_version',
    parentId: id,
    role: 'data',
  }));
  if (inputs.tokenizer)
    edges.push({ ...to, parentType: 'tokenizer', parentId: inputs.tokenizer, role: 'tokenizer' });
  if (inputs.base) edges.push({ ...to, parentType: 'checkpoint', parentId: inputs.base, role: 'base' });
  if (inputs.reward_model)
    edges.push({ ...to, parentType: 'checkpoint', parentId: inputs.reward_model, role: 'judge' });
  return edges;
}
