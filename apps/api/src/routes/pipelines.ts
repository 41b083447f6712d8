import { CreatePipeline, Pipeline, PipelinePage, ref } from '@trainyard/contracts';
import { cancelPipeline, cancelRun, createPipeline, getPipeline, listPipelines } from '@trainyard/db';
import { answerOnce } from '../answer-once.ts';
import type { App } from '../app.ts';
import { ById, PageOnly } from './parameters.ts';
import type { Services } from './routes.ts';

const tags = ['pipelines'];

export function pipelineRoutes(app: App, { db, kick }: Services): void {
  app.post(
    '/pipelines',
    {
      config: { scope: 'write' },
      schema: {
        summary: 'Submit a pipeline',
        description:
          'Stages in order; {"stage": name} in the inputs of one stands for what an earlier one makes.',
        tags,
        body: ref(CreatePipeline),
        response: { 201: ref(Pipeline) },
      },
    },
    async (request, reply) => {
      const pipeline = await answerOnce(db, request, reply, (tx) => createPipeline(tx, request.body));
      kick();
      return pipeline;
    },
  );
  app.get(
    '/pipelines',
    {
      config: { scope: 'read' },
      schema: {
        summary: 'List pipelines',
        tags,
        querystring: PageOnly,
        response: { 200: ref(PipelinePage) },
      },
    },
    (request) => listPipelines(db, request.query),
  );
  app.get(
    '/pipelines/:id',
    {
      config: { scope: 'read' },
      schema: {
        summary: 'Get a pipeline with its runs',
        tags,
        params: ById,
        response: { 200: ref(Pipeline) },
      },
    },
    (request) => getPipeline(db, request.params.id),
  );
  app.post(
    '/pipelines/:id/cancel',
    {
      config: { scope: 'write' },
      schema: { summary: 'Cancel what has not ended', tags, params: ById, response: { 200: ref(Pipeline) } },
    },
    async (request) => {
      const pipeline = await db.transaction((tx) => cancelPipeline(tx, request.params.id, cancelRun));
      kick();
      return pipeline;
    },
  );
}
