import type { DatasetKind, Split } from '@trainyard/contracts';
import type { BlobStore } from '@trainyard/storage';
import { LineSplitter } from './ingest/line-splitter.ts';
import type { RecordOf } from './record.ts';
import { type DatasetVersionContent, splitOf } from './version-content.ts';

/**
 * The records of a split in stored order.
 * @throws TrainyardError `integrity` at the end where the blob is not what was stored, `not_found` without it.
 */
export async function* readRecords<K extends DatasetKind>(
  store: BlobStore,
  content: DatasetVersionContent<K>,
  split: Split,
): AsyncGenerator<RecordOf<K>> {
  const lines = new LineSplitter(Number.POSITIVE_INFINITY);
  for await (const chunk of await store.open(splitOf(content, split))) {
    for (const { bytes } of lines.push(chunk as Buffer))
      yield JSON.parse(Buffer.from(bytes!).toString()) as RecordOf<K>;
  }
}

/** The first records of a split; reads no more of the blob than they need. */
export async function previewDataset<K extends DatasetKind>(
  store: BlobStore,
  content: DatasetVersionContent<K>,
  options: { split: Split; limit: number },
): Promise<RecordOf<K>[]> {
  const records: RecordOf<K>[] = [];
  if (options.limit <= 0) return records;
  for await (const record of readRecords(store, content, options.split)) {
    records.push(record);
    if (records.length === options.limit) break;
  }
  return records;
}
