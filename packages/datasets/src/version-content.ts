import type { DatasetKind, Split } from '@trainyard/contracts';

/** One split: a blob of canonical JSON Lines in the store, and what is in it. */
export interface SplitContent {
  sha256: string;
  /** Of the blob. */
  bytes: number;
  records: number;
  /** Unicode code points in the records' strings. */
  characters: number;
}

/** What a dataset version holds; plain JSON. */
export interface DatasetVersionContent<K extends DatasetKind = DatasetKind> {
  kind: K;
  /** SHA-256 over the kind and the canonical records in their order, whatever the split and the upload's encoding. */
  contentHash: string;
  train: SplitContent;
  heldOut: SplitContent;
  /** Records that were left out because an equal one came before. */
  duplicates: number;
}

export function splitOf(content: DatasetVersionContent, split: Split): SplitContent {
  return split === 'train' ? content.train : content.heldOut;
}
