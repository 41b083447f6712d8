import {
  type CreateDataset,
  type Dataset,
  type DatasetKind,
  type DatasetVersion,
  TrainyardError,
} from '@trainyard/contracts';
import type { Database, Tx } from './client.ts';
import type { Prisma } from './generated/client.ts';
import type { DatasetModel, DatasetVersionModel } from './generated/models.ts';
import {
  calendarDate,
  found,
  iso,
  listOf,
  type Paged,
  type PageRequest,
  pageArguments,
  parseCalendarDate,
  toPage,
} from './rows.ts';

/** What packages/datasets wrote for a version; the database keeps it whole and reads only the counts. */
export interface VersionContent {
  contentHash: string;
  train: { sha256: string; records: number; bytes: number };
  heldOut: { sha256: string; records: number; bytes: number };
  duplicates: number;
}

type WithDataset = DatasetVersionModel & { dataset: DatasetModel };
type WithLatest = DatasetModel & { versions: { version: number }[] };

const latest = { versions: { orderBy: { version: 'desc' as const }, take: 1, select: { version: true } } };

const toDataset = (row: WithLatest): Dataset => ({
  id: row.id,
  name: row.name,
  kind: row.kind as DatasetKind,
  description: row.description,
  licence: row.licence,
  latest_version: row.versions[0]?.version ?? null,
  created_at: iso(row.createdAt),
});

export function toDatasetVersion(row: WithDataset): DatasetVersion {
  const content = row.content as unknown as VersionContent;
  return {
    id: row.id,
    dataset_id: row.datasetId,
    dataset_name: row.dataset.name,
    kind: row.dataset.kind as DatasetKind,
    version: row.version,
    content_hash: row.contentHash,
    train: { records: content.train.records, bytes: content.train.bytes },
    held_out: { records: content.heldOut.records, bytes: content.heldOut.bytes },
    duplicates_dropped: content.duplicates,
    held_out_fraction: row.heldOutFraction,
    licence: row.licence ?? row.dataset.licence,
    collected_until: calendarDate(row.collectedUntil),
    created_at: iso(row.createdAt),
  };
}

export async function createDataset(tx: Tx, request: CreateDataset): Promise<Dataset> {
  if (await tx.dataset.findUnique({ where: { name: request.name } }))
    throw new TrainyardError(
      'conflict',
      `There is a dataset ${request.name} already; upload a new version to it.`,
      {
        param: 'name',
      },
    );
  const { name, kind, description = null, licence = null } = request;
  return toDataset(await tx.dataset.create({ data: { name, kind, description, licence }, include: latest }));
}

export async function getDataset(db: Database, id: string): Promise<Dataset> {
  return toDataset(
    found(await db.client.dataset.findUnique({ where: { id }, include: latest }), 'dataset', id),
  );
}

export async function listDatasets(
  db: Database,
  page: PageRequest & { kind?: string | undefined; name?: string | undefined },
): Promise<Paged<Dataset>> {
  const { where, ...paging } = pageArguments(page);
  const filter = {
    ...where,
    ...(page.kind ? { kind: page.kind } : {}),
    ...(page.name ? { name: page.name } : {}),
  };
  return toPage(
    await db.client.dataset.findMany({ ...paging, where: filter, include: latest }),
    page,
    toDataset,
  );
}

/** Adds the next version of a dataset. The same content as the latest version is that version, not a new one. */
export async function addDatasetVersion(
  tx: Tx,
  datasetId: string,
  content: VersionContent,
  about: { heldOutFraction: number; licence?: string | undefined; collectedUntil?: string | undefined },
): Promise<DatasetVersion> {
  await tx.$executeRaw`SELECT 1 FROM datasets WHERE id = ${datasetId}::uuid FOR UPDATE`;
  const last = await tx.datasetVersion.findFirst({
    where: { datasetId },
    orderBy: { version: 'desc' },
    include: { dataset: true },
  });
  const collectedUntil = parseCalendarDate(about.collectedUntil);
  const same =
    last?.contentHash === content.contentHash &&
    last.heldOutFraction === about.heldOutFraction &&
    last.licence === (about.licence ?? null) &&
    calendarDate(last.collectedUntil) === calendarDate(collectedUntil);
  if (same) return toDatasetVersion(last);
  const row = await tx.datasetVersion.create({
    data: {
      datasetId,
      version: (last?.version ?? 0) + 1,
      contentHash: content.contentHash,
      content: content as unknown as Prisma.InputJsonValue,
      blobs: listOf([content.train.sha256, content.heldOut.sha256]),
      heldOutFraction: about.heldOutFraction,
      licence: about.licence ?? null,
      collectedUntil,
    },
    include: { dataset: true },
  });
  return toDatasetVersion(row);
}

export async function getDatasetVersion(db: Database, id: string): Promise<DatasetVersion> {
  const row = await db.client.datasetVersion.findUnique({ where: { id }, include: { dataset: true } });
  return toDatasetVersion(found(row, 'dataset version', id));
}

export async function getVersionContent(db: Database, id: string): Promise<VersionContent> {
  const row = found(await db.client.datasetVersion.findUnique({ where: { id } }), 'dataset version', id);
  return row.content as unknown as VersionContent;
}

export async function listDatasetVersions(
  db: Database,
  datasetId: string,
  page: PageRequest,
): Promise<Paged<DatasetVersion>> {
  const { where, ...paging } = pageArguments(page);
  const rows = await db.client.datasetVersion.findMany({
    ...paging,
    where: { ...where, datasetId },
    include: { dataset: true },
  });
  return toPage(rows, page, toDatasetVersion);
}
