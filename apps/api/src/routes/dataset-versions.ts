import { DatasetPreview, DatasetVersion, OneOf, ref, SPLITS, Strict } from '@trainyard/contracts';
import { type DatasetVersionContent, previewDataset } from '@trainyard/datasets';
import { getDatasetVersion, getVersionContent } from '@trainyard/db';
import { Type } from 'typebox';
import type { App } from '../app.ts';
import { ById } from './parameters.ts';
import type { Services } from './routes.ts';

const tags = ['datasets'];
const PreviewQuery = Strict({
  split: OneOf(SPLITS, { default: 'train' }),
  limit: Type.Integer({ minimum: 1, maximum: 20, default: 5 }),
});

export function datasetVersionRoutes(app: App, { db, blobs }: Services): void {
  app.get(
    '/dataset-versions/:id',
    {
      config: { scope: 'read' },
      schema: {
        summary: 'Get a dataset version',
        tags,
        params: ById,
        response: { 200: ref(DatasetVersion) },
      },
    },
    (request) => getDatasetVersion(db, request.params.id),
  );
  app.get(
    '/dataset-versions/:id/preview',
    {
      config: { scope: 'read' },
      schema: {
        summary: 'The first records of a split',
        tags,
        params: ById,
        querystring: PreviewQuery,
        response: { 200: ref(DatasetPreview) },
      },
    },
    async (request) => {
      const content = (await getVersionContent(db, request.params.id)) as DatasetVersionContent;
      const { split, limit } = request.query;
      return { split, records: await previewDataset(blobs, content, { split, limit }) };
    },
  );
}
