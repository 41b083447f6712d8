import type { Socket } from 'node:net';
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { type Prisma, PrismaClient } from './generated/client.ts';

/** An open transaction. Every function here that writes takes one first; nothing inside it does other I/O. */
export type Tx = Prisma.TransactionClient;

export interface Database {
  /** For reads outside a transaction, and for reads and writes that are one statement. */
  readonly client: PrismaClient;
  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

const TRANSACTION_ATTEMPTS = 5;
/**
 * Nothing waits for ever, ms. Postgres ends a statement that takes too long, and the transaction of a process that froze
 * inside it, or nobody could take its run from it. A connection on which a statement gets no answer beyond that is
 * taken for dead: the network may have swallowed it without a word.
 */
const STATEMENT_MS = 10_000;
const IDLE_IN_TRANSACTION_MS = 10_000;
const SILENCE_MS = 12_000;
const CONNECT_MS = 5000;

/** Whether Postgres gave up a transaction for the sake of another one; raw queries keep its own code in `meta`. */
function lostConflict(error: unknown): boolean {
  const { code, meta } = error as {
    code?: string;
    meta?: { driverAdapterError?: { cause?: { originalCode?: string } } };
  };
  const postgres = meta?.driverAdapterError?.cause?.originalCode ?? '';
  return code === 'P2034' || postgres === '40001' || postgres === '40P01';
}

function openPool(url: string, size: number): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max: size,
    connectionTimeoutMillis: CONNECT_MS,
    keepAlive: true,
    statement_timeout: STATEMENT_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
  });
  pool.on('error', () => {}); // an idle connection was lost; the next use makes another
  pool.on('connect', (made) => {
    const client = made as unknown as { connection: { stream: Socket }; readyForQuery: boolean };
    const { stream } = client.connection;
    stream.setTimeout(SILENCE_MS, () => {
      if (!client.readyForQuery)
        stream.destroy(new Error(`Postgres did not answer within ${SILENCE_MS / 1000} s.`));
    });
  });
  return pool;
}

/** Opens the database at `url` with at most `poolSize` connections. */
export function openDatabase(url: string, poolSize = 10): Database {
  const client = new PrismaClient({
    adapter: new PrismaPg(openPool(url, poolSize), { disposeExternalPool: true }),
  });
  return {
    client,
    transaction: async (work) => {
      for (let attempt = 1; ; attempt++) {
        try {
          return await client.$transaction(work, { timeout: 30_000, maxWait: 10_000 });
        } catch (error) {
          if (!lostConflict(error) || attempt === TRANSACTION_ATTEMPTS) throw error;
        }
      }
    },
    close: () => client.$disconnect(),
  };
}
