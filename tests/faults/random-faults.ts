import { setTimeout as sleep } from 'node:timers/promises';
import { readCheckpoint } from '@trainyard/storage';
import { isAlive } from '../spawn-program.ts';
import type { Cluster } from './cluster.ts';
import { flipBit } from './damage.ts';
import type { Program } from './program.ts';
import { pickFrom, seededRandom } from './seeded-random.ts';

/** A fault that happened. */
export interface Happened {
  kind: string;
  /** When it began and when what was taken away was back, in ms since 1970. */
  at: number;
  until: number;
  /** Of a process: the runs that it had, with their epochs. */
  runs: { runId: string; epoch: number }[];
}

export interface RandomFaults {
  happened: Happened[];
  /** When a file of a checkpoint was damaged, by its SHA-256, in ms since 1970. */
  damages: Map<string, number>;
  /** One more fault; resolves when it is over. Never rejects for what the fault itself brings about. */
  next(): Promise<void>;
  /** Ends what still goes on: every server, link and program is well again. */
  calm(): Promise<void>;
}

/** How often each kind comes, relative to the others. */
const WEIGHTS = {
  'trainer killed': 6,
  'trainer frozen': 2,
  'worker killed': 3,
  'worker frozen': 2,
  'worker stopped': 2,
  'API killed': 2,
  'API stopped': 1,
  'Redis killed': 1,
  'Redis killed and emptied': 1,
  'Redis flushed': 2,
  'Postgres killed': 2,
  'link cut': 3,
  'link swallows': 3,
  'link swallows one way': 3,
  'link slow': 2,
  'checkpoint damaged': 2,
} as const;
export type FaultKind = keyof typeof WEIGHTS;
export const FAULT_KINDS = Object.keys(WEIGHTS) as FaultKind[];

interface Choice {
  /** Default all. */
  kinds?: readonly FaultKind[];
  /** These programs are not killed or frozen. */
  spared?: readonly Program[];
}

/** Which faults come, to whom and for how long follows from the seed. */
export function startRandomFaults(
  cluster: Cluster,
  seed: number,
  { kinds = FAULT_KINDS, spared = [] }: Choice = {},
): RandomFaults {
  const tickets = kinds.flatMap((kind) => Array<FaultKind>(WEIGHTS[kind]).fill(kind));
  const random = seededRandom(seed);
  const happened: Happened[] = [];
  const damages = new Map<string, number>();
  const pick = <T>(items: readonly T[]): T => pickFrom(random, items);
  const seconds = (most: number) => (0.2 + random() * (most - 0.2)) * 1000;
  const under = oneAtATime();

  /** What a worker's process has in hand. */
  async function runsOf(worker: Program): Promise<Happened['runs']> {
    return cluster.db.client.$queryRaw<Happened['runs']>`
      SELECT r.id AS "runId", r.epoch FROM runs r JOIN workers w ON w.id = r.worker_id WHERE w.name = ${worker.name}`;
  }

  async function toTrainer(worker: Program, act: (pid: number) => Promise<void>): Promise<Happened['runs']> {
    const [trainer] = await worker.trainers();
    const runs = await runsOf(worker);
    if (trainer !== undefined && isAlive(trainer)) await act(trainer);
    return runs;
  }

  async function toProgram(program: Program, act: () => Promise<void> | void): Promise<Happened['runs']> {
    const runs = await runsOf(program).catch(() => []);
    if (program.alive) await act();
    return runs;
  }

  async function frozen(pid: number, ms: number): Promise<void> {
    process.kill(pid, 'SIGSTOP');
    await sleep(ms);
    if (isAlive(pid)) process.kill(pid, 'SIGCONT');
  }

  async function damageLatest(): Promise<void> {
    const [row] = await cluster.db.client.$queryRaw<{ manifest: string; worker: string }[]>`
      SELECT c.manifest_sha256 AS manifest, w.name AS worker FROM runs r JOIN checkpoints c ON c.id = r.checkpoint_id
      JOIN workers w ON w.id = r.worker_id WHERE r.state = 'running' AND NOT c.final ORDER BY r.id LIMIT 1`;
    if (!row) return;
    const { manifest } = await readCheckpoint(cluster.blobs, row.manifest);
    const { sha256 } = pick(manifest.files);
    damages.set(sha256, Date.now());
    await flipBit(cluster.blobs.path!(sha256), 100 + Math.floor(random() * 400));
    await toTrainer(cluster.workers.find(({ name }) => name === row.worker)!, async (pid) => {
      process.kill(pid, 'SIGKILL');
    });
  }

  const unspared = (programs: Program[]) => pick(programs.filter((program) => !spared.includes(program)));

  /** Draws all that the fault needs at once, so that the order of draws is the order of faults. */
  function draw(kind: FaultKind): () => Promise<Happened['runs'] | undefined> {
    const [worker, api] = [unspared(cluster.workers), unspared(cluster.apis)];
    const { links } = pick([...cluster.apis, ...cluster.workers]);
    const link = pick(Object.values(links));
    const [short, long] = [seconds(1.5), seconds(6)];
    const direction = pick(['to_server', 'to_client'] as const);
    const { redis, postgres } = cluster;
    const linked = async (fail: () => void, ms: number) => {
      fail();
      await sleep(ms);
      link.restore();
      return undefined;
    };
    switch (kind) {
      case 'trainer killed':
        return () => toTrainer(worker, async (pid) => void process.kill(pid, 'SIGKILL'));
      case 'trainer frozen':
        return () => toTrainer(worker, (pid) => frozen(pid, short));
      case 'worker killed':
        return () => toProgram(worker, () => worker.kill('SIGKILL'));
      case 'worker frozen':
        return () => toProgram(worker, () => frozen(worker.pid, long));
      case 'worker stopped':
        return () => toProgram(worker, () => worker.kill('SIGTERM'));
      case 'API killed':
        return () => toProgram(api, () => api.kill('SIGKILL'));
      case 'API stopped':
        return () => toProgram(api, () => api.kill('SIGTERM'));
      case 'Redis killed':
      case 'Redis killed and emptied':
        return () =>
          under('Redis', async () => {
            await redis!.kill();
            await sleep(short);
            if (kind === 'Redis killed and emptied') await redis!.forget();
            await redis!.start();
            return undefined;
          });
      case 'Redis flushed':
        return () => under('Redis', async () => void (await redis!.flush()));
      case 'Postgres killed':
        return () =>
          under('Postgres', async () => {
            await postgres.kill();
            await sleep(short);
            await postgres.start();
            return undefined;
          });
      case 'link cut':
        return () => linked(() => link.cut(), long);
      case 'link swallows':
        return () => linked(() => link.blackHole('to_server', 'to_client'), long);
      case 'link swallows one way':
        return () => linked(() => link.blackHole(direction), long);
      case 'link slow':
        return () => linked(() => link.delay(short / 3), long);
      case 'checkpoint damaged':
        return async () => void (await under('Postgres', damageLatest));
    }
  }

  return {
    happened,
    damages,
    async next() {
      const kind = pick(tickets);
      const fault = draw(kind);
      const at = Date.now();
      // The harness looks at the same Postgres and the same processes that are being taken away.
      const runs = await fault().catch((error: unknown) => {
        if (!isExpected(error)) throw error;
        return undefined;
      });
      happened.push({ kind, at, until: Date.now(), runs: runs ?? [] });
    },
    async calm() {
      cluster.restoreLinks();
      for (const program of [...cluster.apis, ...cluster.workers]) if (program.alive) program.kill('SIGCONT');
      await Promise.all([...cluster.apis, ...cluster.workers].map((program) => program.ready()));
    },
  };
}

export function countFaults(happened: readonly Happened[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { kind } of happened) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

/** Processes that are just gone, Postgres that is just away, blobs that were just replaced. */
function isExpected(error: unknown): boolean {
  const { code = '', name = '' } = error as { code?: string; name?: string };
  return ['ESRCH', 'ENOENT', 'integrity', 'not_found'].includes(code) || /Prisma|DriverAdapter/.test(name);
}

/** One at a time under the same name. */
function oneAtATime() {
  const last = new Map<string, Promise<unknown>>();
  return <T>(name: string, work: () => Promise<T>): Promise<T> => {
    const turn = (last.get(name) ?? Promise.resolve()).catch(() => {}).then(work);
    last.set(name, turn);
    return turn;
  };
}
