import { TrainyardError } from '@trainyard/contracts';

/** A failure of Prisma, whose own classes differ by what was asked; raw queries keep Postgres' code in `meta`. */
interface DatabaseFailure {
  name?: string;
  code?: string;
  meta?: { code?: string; driverAdapterError?: { cause?: { originalCode?: string; kind?: string } } };
}

const UNREACHABLE = [
  'P1001',
  'P1002',
  'P1008',
  'P1017',
  'P2024',
  'P2028',
  'P2037',
  'ECONNREFUSED',
  'ECONNRESET',
];

/** What a database failure means to a client: a value it cannot hold, a clash, or no database. Undefined for the rest. */
export function databaseError(error: unknown): TrainyardError | undefined {
  const { name = '', code = '', meta } = (error ?? {}) as DatabaseFailure;
  if (!name.startsWith('PrismaClient') && name !== 'DriverAdapterError' && !UNREACHABLE.includes(code))
    return undefined;
  const cause = meta?.driverAdapterError?.cause;
  const postgres = cause?.originalCode ?? meta?.code ?? '';
  if (code === 'P2002' || postgres === '23505')
    return new TrainyardError('conflict', 'Another request created the same at this moment.', {
      cause: error,
    });
  if (postgres.startsWith('22'))
    return new TrainyardError('invalid_request', 'A value in the request cannot be stored.', {
      cause: error,
    });
  const away =
    UNREACHABLE.includes(code) || name === 'PrismaClientInitializationError' || /^(57P|08|53)/.test(postgres);
  if (away || cause?.kind === 'DatabaseNotReachable')
    return new TrainyardError('unavailable', 'The database cannot be reached; try again soon.', {
      cause: error,
    });
  return undefined;
}
