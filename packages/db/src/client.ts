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

const SERIALIZATION_FAILURE = 'P2034';
const TRANSACTION_ATTEMPTS = 5;

/** Opens the database at `url` with at most `poolSize` connections. */
export function openDatabase(url: string, poolSize = 10): Database {
  const client = new PrismaClient({ adapter: new PrismaPg({ connectionString: url, max: poolSize }) });
  return {
    client,
    transaction: async (work) => {
      for (let attempt = 1; ; attempt++) {
        try {
          return await client.$transaction(work, { timeout: 30_000, maxWait: 10_000 });
        } catch (error) {
          const deadlock = (error as { code?: string }).code === SERIALIZATION_FAILURE;
          if (!deadlock || attempt === TRANSACTION_ATTEMPTS) throw error;
        }
      }
    },
    close: () => client.$disconnect(),
  };
}
