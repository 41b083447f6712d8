import { PageQuery, ref, Strict, Worker, WorkerPage } from '@trainyard/contracts';
import { getWorker, listWorkers } from '@trainyard/db';
import { Type } from 'typebox';
import type { App } from '../app.ts';
import { ById } from './parameters.ts';
import type { Services } from './routes.ts';

const tags = ['workers'];

export function workerRoutes(app: App, { db, config }: Services): void {
  app.get(
    '/workers',
    {
      config: { scope: 'read' },
      schema: {
        summary: 'List workers',
        tags,
        querystring: Strict({
          ...PageQuery,
          live: Type.Boolean({
            default: false,
            description: 'Only those that were heard of within a lease.',
          }),
        }),
        response: { 200: ref(WorkerPage) },
      },
    },
    (request) => listWorkers(db, request.query, config.leaseSeconds),
  );
  app.get(
    '/workers/:id',
    {
      config: { scope: 'read' },
      schema: { summary: 'Get a worker', tags, params: ById, response: { 200: ref(Worker) } },
    },
    (request) => getWorker(db, request.params.id, config.leaseSeconds),
  );
}
