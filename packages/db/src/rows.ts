import { TrainyardError } from '@trainyard/contracts';
import type { Tx } from './client.ts';
import { validate as isUuid } from './uuid.ts';

export const iso = (date: Date): string => date.toISOString();
export const isoOrNull = (date: Date | null): string | null => date?.toISOString() ?? null;
export const calendarDate = (date: Date | null): string | null => date?.toISOString().slice(0, 10) ?? null;
export const parseCalendarDate = (date: string | null | undefined): Date | null =>
  date ? new Date(`${date}T00:00:00Z`) : null;

/**
 * A list to be written. Prisma takes the items of a bare list for a part of the query, and keeps a plan for each query
 * that it has seen: tens of KB a checkpoint.
 */
export const listOf = <T>(items: T[]) => ({ set: items });

/** Postgres' clock, the one that all processes share: what is compared with another process's time is read from it. */
export async function databaseTime(tx: Pick<Tx, '$queryRaw'>): Promise<Date> {
  const [row] = await tx.$queryRaw<{ now: Date }[]>`SELECT now()::timestamptz(3) AS now`;
  return row!.now;
}

export interface PageRequest {
  after?: string | undefined;
  limit?: number | undefined;
}

export interface Paged<T> {
  data: T[];
  has_more: boolean;
}

/** Prisma's arguments for a page, newest first by time-ordered id; one row more than asked tells if there are more. */
export function pageArguments(page: PageRequest) {
  if (page.after !== undefined && !isUuid(page.after))
    throw new TrainyardError(
      'invalid_request',
      'after must be the id of the last object of the page before.',
      {
        param: 'after',
      },
    );
  return {
    take: (page.limit ?? 50) + 1,
    orderBy: { id: 'desc' as const },
    ...(page.after === undefined ? {} : { where: { id: { lt: page.after } } }),
  };
}

export function toPage<Row, T>(rows: Row[], page: PageRequest, map: (row: Row) => T): Paged<T> {
  const limit = page.limit ?? 50;
  return { data: rows.slice(0, limit).map(map), has_more: rows.length > limit };
}

/** The row, or `not_found` naming what was looked for. */
export function found<T>(row: T | null, what: string, id: string, param?: string): T {
  if (row) return row;
  throw new TrainyardError('not_found', `There is no ${what} ${id}.`, param ? { param } : {});
}
