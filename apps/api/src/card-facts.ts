import type { Checkpoint, Lineage, LineageNode } from '@trainyard/contracts';
import type { CardDataset, CardFacts } from '@trainyard/interchange';

const textOrNull = (value: unknown): string | null => (typeof value === 'string' ? value : null);

/** What a model card tells of a checkpoint, from the lineage above it. */
export function cardFacts(checkpoint: Checkpoint, { nodes, edges }: Lineage): CardFacts {
  const ofType = (type: LineageNode['type']) =>
    nodes
      .filter((node) => node.type === type)
      .sort((a, b) => a.created_at.localeCompare(b.created_at) || a.id.localeCompare(b.id));
  const base = edges.find(({ to, role }) => to === `checkpoint:${checkpoint.id}` && role === 'base');
  return {
    checkpointId: checkpoint.id,
    kind: checkpoint.kind,
    parameters: checkpoint.parameters,
    step: checkpoint.step,
    createdAt: checkpoint.created_at,
    knowledgeCutoff: checkpoint.knowledge_cutoff,
    stages: ofType('run').map(({ label, id }) => `${label} (${id})`),
    datasets: ofType('dataset_version').map(
      ({ label, details }): CardDataset => ({
        name: label,
        kind: String(details.kind),
        licence: textOrNull(details.licence),
        collectedUntil: textOrNull(details.collected_until),
      }),
    ),
    licences: ofType('run').flatMap(({ details }) => importedLicence(details) ?? []),
    base: base?.from.replace('checkpoint:', '') ?? null,
  };
}

function importedLicence({ stage, config }: Record<string, unknown>): string | null {
  return stage === 'import' ? textOrNull((config as { licence?: unknown }).licence) : null;
}
