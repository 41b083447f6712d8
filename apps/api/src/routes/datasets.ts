import {
  CreateDataset,
  DATASET_KINDS,
  Dataset,
  DatasetPage,
  DatasetVersionPage,
  OneOf,
  PageQuery,
  ref,
  Strict,
} from '@trainyard/contracts';
import { createDataset, getDataset, listDatasets, listDatasetVersions } from '@trainyard/db';
import { Type } from 'typebox';
import { answerOnce } from '../answer-once.ts';
import type { App } from '../app.ts';
import { ById, PageOnly } from './parameters.ts';
import type { Services } from './routes.ts';

const tags = ['datasets'];

export function datasetRoutes(app: App, { db }: Services): void {
  app.post(
    '/datasets',
    {
      config: { scope: 'write' },
      schema: {
        summary: 'Create a dataset',
        tags,
        body: ref(CreateDataset),
        response: { 201: ref(Dataset) },
      },
    },
    (request, reply) => answerOnce(db, request, reply, (tx) => createDataset(tx, request.body)),
  );
  app.get(
    '/datasets',
    {
      config: { scope: 'read' },
      schema: {
        summary: 'List datasets',
        tags,
        querystring: Strict({
          ...PageQuery,
          kind: Type.Optional(OneOf(DATASET_KINDS)),
          name: Type.Optional(Type.String()),
        }),
        response: { 200: ref(DatasetPage) },
      },
    },
    (request) => listDatasets(db, request.query),
  );
  app.get(
    '/datasets/:id',
    {
      config: { scope: 'read' },
      schema: { summary: 'Get a dataset', tags, params: ById, response: { 200: ref(Dataset) } },
    },
    (request) => getDataset(db, request.params.id),
  );
  app.get(
    '/datasets/:id/versions',
    {
      config: { scope: 'read' },
      schema: {
        summary: 'List the versions of a dataset',
        tags,
        params: ById,
        querystring: PageOnly,
        response: { 200: ref(DatasetVersionPage) },
      },
    },
    async (request) => {
      const { id } = await getDataset(db, request.params.id);
      return listDatasetVersions(db, id, request.query);
    },
  );
}
