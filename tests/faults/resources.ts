import { readdir, readFile } from 'node:fs/promises';
import type { Cluster } from './cluster.ts';
import type { Program } from './program.ts';

const EVERY = 5000; // ms
const PAGE = 4096; // bytes; of /proc/<pid>/statm

/** What grows, or had better not. */
interface Counts {
  redisKeys: number;
  rows: Record<string, number>;
  /** Open file handles by program. */
  handles: Record<string, number>;
}

export interface Used {
  begin: Counts;
  end: Counts;
  /** Least-squares slope of the resident memory of each watched program, MB an hour, over its samples. */
  memorySlopes: Record<string, { megabytesAnHour: number; samples: number }>;
}

/** Follows programs that live as long as it does; by Linux' /proc. */
export async function watchResources(
  cluster: Cluster,
  programs: readonly Program[],
): Promise<{ stop(): Promise<Used> }> {
  const samples = new Map(programs.map((program) => [program, [] as { hours: number; megabytes: number }[]]));
  const begin = await count(cluster, programs);
  const timer = setInterval(async () => {
    for (const [program, taken] of samples) {
      const statm = await readFile(`/proc/${program.pid}/statm`, 'utf8').catch(() => undefined);
      if (statm)
        taken.push({
          hours: performance.now() / 3_600_000,
          megabytes: (Number(statm.split(' ')[1]) * PAGE) / 1e6,
        });
    }
  }, EVERY);
  return {
    async stop() {
      clearInterval(timer);
      const end = await count(cluster, programs);
      const memorySlopes = Object.fromEntries(
        [...samples].map(([{ name }, taken]) => [
          name,
          { megabytesAnHour: slope(taken.slice(Math.floor(taken.length / 4))), samples: taken.length },
        ]),
      );
      return { begin, end, memorySlopes };
    },
  };
}

async function count({ db, redis }: Cluster, programs: readonly Program[]): Promise<Counts> {
  const tables = await db.client.$queryRaw<{ name: string }[]>`
    SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1`;
  const rows: Record<string, number> = {};
  for (const { name } of tables) {
    const [row] = await db.client.$queryRawUnsafe<{ rows: number }[]>(
      `SELECT count(*)::int AS rows FROM "${name}"`,
    );
    rows[name] = row!.rows;
  }
  const handles: Record<string, number> = {};
  for (const { name, pid } of programs) handles[name] = (await readdir(`/proc/${pid}/fd`)).length;
  return { redisKeys: (await redis?.countKeys()) ?? 0, rows, handles };
}

function slope(points: { hours: number; megabytes: number }[]): number {
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [x, y] = [mean(points.map(({ hours }) => hours)), mean(points.map(({ megabytes }) => megabytes))];
  const products = points.map(({ hours, megabytes }) => (hours - x) * (megabytes - y));
  const squares = points.map(({ hours }) => (hours - x) ** 2);
  return mean(products) / mean(squares);
}
