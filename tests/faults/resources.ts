import { mkdir, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Cluster } from './cluster.ts';
import { preload } from './preload.ts';
import type { Program } from './program.ts';

const EVERY = 15_000; // ms
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
  /** Of each watched program: what outlives a garbage collection, and all that it has of the machine. */
  memory: Record<string, { live: Memory; resident: Memory }>;
}

interface Memory {
  /** The least of each minute, MB. */
  megabytes: number[];
  /** Least-squares slope of these, without the first quarter. */
  megabytesAnHour: number;
}

const folderOf = (cluster: Cluster) => path.join(cluster.folder, 'memory');

/** The environment in which a program tells how much memory lives in it. */
export async function reportMemory(cluster: Cluster): Promise<Record<string, string>> {
  await mkdir(folderOf(cluster), { recursive: true });
  return {
    NODE_OPTIONS: preload('report-memory'),
    MEMORY_FOLDER: folderOf(cluster),
    MEMORY_EVERY_MS: String(EVERY),
  };
}

/** Follows programs that live as long as it does, in the environment of `reportMemory`; by Linux' /proc. */
export async function watchResources(
  cluster: Cluster,
  programs: readonly Program[],
): Promise<{ stop(): Promise<Used> }> {
  const minima = new Map(
    programs.map((program) => [program, { live: [] as number[], resident: [] as number[] }]),
  );
  const begin = await count(cluster, programs);
  const begun = performance.now();
  const timer = setInterval(async () => {
    const minute = Math.floor((performance.now() - begun) / 60_000);
    for (const [{ pid }, { live, resident }] of minima) {
      const [bytes, statm] = await Promise.all(
        [path.join(folderOf(cluster), String(pid)), `/proc/${pid}/statm`].map((file) =>
          readFile(file, 'utf8').catch(() => undefined),
        ),
      );
      if (!bytes || !statm) continue; // it has told nothing yet, or ended of itself
      for (const [least, megabytes] of [
        [live, Number(bytes) / 1e6],
        [resident, (Number(statm.split(' ')[1]) * PAGE) / 1e6],
      ] as const)
        least[minute] = Math.min(least[minute] ?? Number.POSITIVE_INFINITY, megabytes);
    }
  }, EVERY);
  return {
    async stop() {
      clearInterval(timer);
      const end = await count(cluster, programs);
      const memory = Object.fromEntries(
        [...minima].map(([{ name }, { live, resident }]) => [
          name,
          { live: inAll(live), resident: inAll(resident) },
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

function inAll(minutes: number[]): Memory {
  const megabytes = Object.values(minutes); // the first may have none
  return { megabytes, megabytesAnHour: 60 * slope(megabytes.slice(Math.floor(megabytes.length / 4))) };
}

/** Of the line of least squares through values at equal distances. */
function slope(values: number[]): number {
  const mean = (numbers: number[]) => numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
  const [x, y] = [(values.length - 1) / 2, mean(values)];
  return mean(values.map((value, i) => (i - x) * (value - y))) / mean(values.map((_, i) => (i - x) ** 2));
}
