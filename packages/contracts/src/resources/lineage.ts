import { type Static, Type } from 'typebox';
import { CalendarDate, Id, Nullable, OneOf } from '../schema.ts';

export const LINEAGE_TYPES = ['dataset_version', 'tokenizer', 'run', 'checkpoint', 'comparison'] as const;
export type LineageType = (typeof LINEAGE_TYPES)[number];

export const LineageNode = Type.Object({
  type: OneOf(LINEAGE_TYPES),
  id: Id,
  label: Type.String(),
  created_at: Type.String(),
  details: Type.Record(Type.String(), Type.Unknown()),
});
export const LineageEdge = Type.Object({
  from: Type.String({ description: '`type:id` of the parent.' }),
  to: Type.String({ description: '`type:id` of what came from it.' }),
  role: Type.String(),
});
export const Lineage = Type.Object(
  {
    root: Type.String(),
    nodes: Type.Array(LineageNode),
    edges: Type.Array(LineageEdge),
    knowledge_cutoff: Nullable(CalendarDate),
  },
  { $id: 'Lineage' },
);
export type Lineage = Static<typeof Lineage>;
export type LineageNode = Static<typeof LineageNode>;
