import type { LineageNode, LineageType } from '@trainyard/contracts';
import type { Database } from './client.ts';
import { calendarDate, iso } from './rows.ts';

/** Nodes for `type:id` keys, with what a person needs to recognise each. Keys of nothing are left out. */
export async function describeNodes(db: Database, keys: string[]): Promise<LineageNode[]> {
  const ids = (type: LineageType) =>
    keys.filter((key) => key.startsWith(`${type}:`)).map((key) => key.slice(type.length + 1));
  const where = (type: LineageType) => ({ where: { id: { in: ids(type) } } });
  const { client } = db;
  const nodes: LineageNode[] = [];
  for (const row of await client.datasetVersion.findMany({
    ...where('dataset_version'),
    include: { dataset: true },
  }))
    nodes.push({
      type: 'dataset_version',
      id: row.id,
      label: `${row.dataset.name}@${row.version}`,
      created_at: iso(row.createdAt),
      details: {
        kind: row.dataset.kind,
        content_hash: row.contentHash,
        licence: row.licence ?? row.dataset.licence,
        collected_until: calendarDate(row.collectedUntil),
      },
    });
  for (const row of await client.tokenizer.findMany(where('tokenizer')))
    nodes.push({
      type: 'tokenizer',
      id: row.id,
      label: `tokenizer of ${row.vocabSize} entries`,
      created_at: iso(row.createdAt),
      details: { vocab_size: row.vocabSize, sha256: row.sha256 },
    });
  for (const row of await client.run.findMany(where('run')))
    nodes.push({
      type: 'run',
      id: row.id,
      label: `${row.stage} run ${row.name ?? row.pipelineStage ?? row.id.slice(-8)}`,
      created_at: iso(row.createdAt),
      details: { stage: row.stage, state: row.state, seed: row.seed, config: row.config },
    });
  for (const row of await client.checkpoint.findMany(where('checkpoint')))
    nodes.push({
      type: 'checkpoint',
      id: row.id,
      label: `${row.kind} checkpoint at step ${row.step}`,
      created_at: iso(row.createdAt),
      details: { kind: row.kind, step: row.step, manifest_sha256: row.manifestSha256, final: row.final },
    });
  for (const row of await client.comparison.findMany(where('comparison')))
    nodes.push({
      type: 'comparison',
      id: row.id,
      label: `comparison judged ${row.verdict ?? 'not yet'}`,
      created_at: iso(row.createdAt),
      details: { verdict: row.verdict, judge: row.judge },
    });
  return nodes;
}
