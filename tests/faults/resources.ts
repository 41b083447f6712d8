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
  /** Of each watched program. */
  memory: Record<string, Memory>;
}

interface Memory {
  /** The least resident memory of each minute, MB: what garbage adds comes and goes. */
  megabytes: number[];
  /** Least-squares slope of these, without the first quarter. */
  megabytesAnHour: number;
}

/** Follows programs that live as long as it does; by Linux' /proc. */
export async function watchResources(
  cluster: Cluster,
  programs: readonly Program[],
): Promise<{ stop(): Promise<Used> }> {
  const minima = new Map(programs.map((program) => [program, [] as number[]]));
  const begin = await count(cluster, programs);
  const begun = performance.now();
  const timer = setInterval(async () => {
    const minute = Math.floor((performance.now() - begun) / 60_000);
    for (const [program, least] of minima) {
      const statm = await readFile(`/proc/${program.pid}/statm`, 'utf8').catch(() => undefined);
      if (!statm) continue; // ended of itself
      const megabytes = (Number(statm.split(' ')[1]) * PAGE) / 1e6;
      least[minute] = Math.min(least[minute] ?? Number.POSITIVE_INFINITY, megabytes);
    }
  }, EVERY);
  return {
    async stop() {
      clearInterval(timer);
      const end = await count(cluster, programs);
      const memory = Object.fromEntries(
        [...minima].map(([{ name }, megabytes]) => [
          name,
          { megabytes, megabytesAnHour: 60 * slope(megabytes.slice(Math.floor(megabytes.length / 4))) },
        ]),
      );
      return { begin, end, memory };
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

/** Of the line of least squares through values at equal distances. */
function slope(values: number[]): number {
  const mean = (numbers: number[]) => numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
  const [x, y] = [(values.length - 1) / 2, mean(values)];
  return mean(values.map((value, i) => (i - x) * (value - y))) / mean(values.map((_, i) => (i - x) ** 2));
}
