import { chmod, mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type EmbeddedPostgres, startPostgres } from './start-postgres.ts';

/** A server for tests: in a temporary folder that `stop` removes, and without waiting for the disk. */
export async function startTestPostgres(): Promise<EmbeddedPostgres> {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'trainyard-test-'));
  await chmod(dataDir, 0o755);
  const postgres = await startPostgres({ dataDir, durable: false });
  // Not dataDir itself where the temporary folder is private to root: see openCluster.
  const parent = path.dirname(await realpath(path.join(dataDir, 'cluster')));
  return {
    ...postgres,
    stop: async () => {
      await postgres.stop();
      for (const folder of [parent, dataDir])
        await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
