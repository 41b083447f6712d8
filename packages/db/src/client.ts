import { PrismaPg } from '@prisma/adapter-pg';
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
/** Postgres ends the transaction of a process that froze inside it, or nobody could take its run from it. */
const IDLE_IN_TRANSACTION_MS = 10_000;

/** Whether Postgres gave up a transaction for the sake of another one; raw queries keep its own code in `meta`. */
function lostConflict(error: unknown): boolean {
  const { code, meta } = error as {
    code?: string;
    meta?: { driverAdapterError?: { cause?: { originalCode?: string } } };
  };
  const postgres = meta?.driverAdapterError?.cause?.originalCode ?? '';
  return code === 'P2034' || postgres === '40001' || postgres === '40P01';
}

/** Opens the database at `url` with at most `poolSize` connections. */
export function openDatabase(url: string, poolSize = 10): Database {
  const pool = {
    connectionString: url,
    max: poolSize,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
  };
  const client = new PrismaClient({ adapter: new PrismaPg(pool) });
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
