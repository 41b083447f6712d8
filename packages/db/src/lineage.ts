import type { Lineage, LineageNode, LineageType } from '@trainyard/contracts';
import type { Database, Tx } from './client.ts';
import type { LineageEdgeModel } from './generated/models.ts';
import { describeNodes } from './lineage-nodes.ts';
import { calendarDate, found } from './rows.ts';

export interface Edge {
  parentType: LineageType;
  parentId: string;
  childType: LineageType;
  childId: string;
  role: string;
}

/** Edges are only ever added, in the transaction of what they describe. */
export async function addEdges(tx: Tx, edges: Edge[]): Promise<void> {
  await tx.lineageEdge.createMany({ data: edges, skipDuplicates: true });
}

type Direction = 'up' | 'down' | 'both';

async function walk(
  db: Database,
  type: string,
  id: string,
  direction: 'up' | 'down',
): Promise<LineageEdgeModel[]> {
  if (direction === 'up')
    return db.client.$queryRaw<LineageEdgeModel[]>`
      WITH RECURSIVE above AS (
        SELECT * FROM lineage_edges WHERE child_type = ${type} AND child_id = ${id}::uuid
        UNION
        SELECT e.* FROM lineage_edges e JOIN above a ON e.child_type = a.parent_type AND e.child_id = a.parent_id)
      SELECT parent_type AS "parentType", parent_id AS "parentId", child_type AS "childType", child_id AS "childId", role
      FROM above`;
  return db.client.$queryRaw<LineageEdgeModel[]>`
    WITH RECURSIVE below AS (
      SELECT * FROM lineage_edges WHERE parent_type = ${type} AND parent_id = ${id}::uuid
      UNION
      SELECT e.* FROM lineage_edges e JOIN below b ON e.parent_type = b.child_type AND e.parent_id = b.child_id)
    SELECT parent_type AS "parentType", parent_id AS "parentId", child_type AS "childType", child_id AS "childId", role
    FROM below`;
}

/** The graph around one object: all it came from, all that came from it, or both. Throws `not_found`. */
export async function getLineage(
  db: Database,
  type: LineageType,
  id: string,
  direction: Direction,
): Promise<Lineage> {
  const edges = [
    ...(direction === 'down' ? [] : await walk(db, type, id, 'up')),
    ...(direction === 'up' ? [] : await walk(db, type, id, 'down')),
  ];
  const keys = new Set([`${type}:${id}`]);
  for (const edge of edges) {
    keys.add(`${edge.parentType}:${edge.parentId}`);
    keys.add(`${edge.childType}:${edge.childId}`);
  }
  const nodes: LineageNode[] = await describeNodes(db, [...keys]);
  found(nodes.find((node) => node.type === type && node.id === id) ?? null, type.replace('_', ' '), id);
  return {
    root: `${type}:${id}`,
    nodes,
    edges: edges.map((edge) => ({
      from: `${edge.parentType}:${edge.parentId}`,
      to: `${edge.childType}:${edge.childId}`,
      role: edge.role,
    })),
    knowledge_cutoff: calendarDate(await knowledgeCutoff(db.client, type, id)),
  };
}

/**
 * The latest `collected_until` of the pre-training data and imported models above an object: where its knowledge ends.
 * Fine-tuning and feedback teach little new knowledge, so they do not move it. Null if none of those has a date.
 */
export async function knowledgeCutoff(
  tx: Pick<Tx, '$queryRaw'>,
  type: LineageType,
  id: string,
): Promise<Date | null> {
  const rows = await tx.$queryRaw<{ cutoff: Date | null }[]>`
    WITH RECURSIVE above AS (
      SELECT ${type}::text AS type, ${id}::uuid AS id
      UNION
      SELECT e.parent_type, e.parent_id FROM lineage_edges e JOIN above a ON e.child_type = a.type AND e.child_id = a.id)
    SELECT max(until) AS cutoff FROM (
      SELECT v.collected_until AS until
      FROM above a JOIN runs r ON a.type = 'run' AND r.id = a.id AND r.stage = 'pretrain'
      JOIN lineage_edges e ON e.child_type = 'run' AND e.child_id = r.id AND e.parent_type = 'dataset_version'
      JOIN dataset_versions v ON v.id = e.parent_id
      UNION ALL
      SELECT (r.config ->> 'collected_until')::date
      FROM above a JOIN runs r ON a.type = 'run' AND r.id = a.id AND r.stage = 'import') known`;
  return rows[0]?.cutoff ?? null;
}
