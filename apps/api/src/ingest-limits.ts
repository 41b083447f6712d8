import { join } from 'node:path';
import type { IngestLimits } from '@trainyard/datasets';
import type { Config } from './config.ts';

/** Largest single record; a preview of records must fit into memory. */
const RECORD_BYTES = 4 * 2 ** 20;

/** What bounds an ingest, and where it keeps its temporary files. */
export function ingestLimits(config: Config): { limits: IngestLimits; spoolDir: string } {
  const maxBytes = config.maxUploadBytes;
  return {
    limits: { maxBytes, maxRecordBytes: Math.min(RECORD_BYTES, maxBytes) },
    spoolDir: join(config.dataDir, 'ingest'),
  };
}
