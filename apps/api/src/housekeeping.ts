import {
  beginChore,
  type Database,
  deleteRetired,
  isBlobReferenced,
  type Repeated,
  repeat,
} from '@trainyard/db';
import { type BlobStore, collectGarbage } from '@trainyard/storage';
import type { FastifyBaseLogger } from 'fastify';
import type { Config } from './config.ts';

const TURN_SECONDS = 30;
const ORPHAN_SECONDS = 3600;

type Graces = Pick<Config, 'retentionGraceSeconds' | 'orphanGraceSeconds'>;

/** Deletes what the blob store need not keep: files of retired checkpoints, and now and then those without a row. */
export function startHousekeeping(
  db: Database,
  blobs: BlobStore,
  { retentionGraceSeconds, orphanGraceSeconds }: Graces,
  logger: FastifyBaseLogger,
): Repeated {
  const ended = new AbortController();
  const { signal } = ended;
  const { stop } = repeat(
    TURN_SECONDS,
    async () => {
      const retired = await deleteRetired(db, blobs.delete.bind(blobs), retentionGraceSeconds, signal);
      if (retired > 0) logger.info({ checkpoints: retired }, 'files of retired checkpoints deleted');
      if (!(await beginChore(db, 'orphans', ORPHAN_SECONDS))) return;
      const collected = await collectGarbage(blobs, {
        isReferenced: (sha256) => isBlobReferenced(db, sha256),
        olderThan: new Date(Date.now() - orphanGraceSeconds * 1000),
        signal,
      });
      if (collected.deleted > 0) logger.info(collected, 'files without a row deleted');
    },
    (error) => logger.error({ err: error }, 'housekeeping failed; it is tried again'),
  );
  return {
    stop: () => {
      ended.abort();
      return stop();
    },
  };
}
