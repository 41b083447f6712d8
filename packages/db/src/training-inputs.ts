import type { CheckpointKind } from '@trainyard/contracts';
import type { Database } from './client.ts';
import type { VersionContent } from './datasets.ts';
import type { ResolvedInputs } from './resolve-inputs.ts';

export interface TrainingInputs {
  datasets: { id: string; name: string; kind: string; content: VersionContent }[];
  tokenizer: { id: string; sha256: string } | null;
  base: { id: string; kind: CheckpointKind; manifestSha256: string; model: Record<string, unknown> } | null;
  rewardModel: { id: string; manifestSha256: string; model: Record<string, unknown> } | null;
}

/** What a run's ids stand for: everything its trainer has to read from the blob store. */
export async function loadTrainingInputs(db: Database, inputs: ResolvedInputs): Promise<TrainingInputs> {
  const { client } = db;
  const datasets = [];
  for (const { id, name } of inputs.datasets) {
    const row = await client.datasetVersion.findUniqueOrThrow({ where: { id }, include: { dataset: true } });
    datasets.push({ id, name, kind: row.dataset.kind, content: row.content as unknown as VersionContent });
  }
  const load = async (id: string | undefined) => {
    if (!id) return null;
    const row = await client.checkpoint.findUniqueOrThrow({ where: { id } });
    const model = row.model as Record<string, unknown>;
    return {
      id,
      kind: row.kind as CheckpointKind,
      manifestSha256: row.manifestSha256,
      model,
      tokenizerId: row.tokenizerId,
    };
  };
  const base = await load(inputs.base);
  const tokenizerId = base?.tokenizerId ?? inputs.tokenizer;
  const tokenizer = tokenizerId
    ? await client.tokenizer.findUniqueOrThrow({ where: { id: tokenizerId } })
    : null;
  return {
    datasets,
    tokenizer: tokenizer ? { id: tokenizer.id, sha256: tokenizer.sha256 } : null,
    base,
    rewardModel: await load(inputs.reward_model),
  };
}
