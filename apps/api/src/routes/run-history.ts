import { RunAttemptList, RunEventPage, RunMetrics, ref, Strict } from '@trainyard/contracts';
import { getRun, listAttempts, listEvents, listMetrics } from '@trainyard/db';
import { Type } from 'typebox';
import type { App } from '../app.ts';
import { parseCursor, runStream } from '../run-stream.ts';
import { ById } from './parameters.ts';
import type { Services } from './routes.ts';

const tags = ['runs'];
const EventsQuery = Strict({
  after: Type.Integer({
    minimum: 0,
    maximum: 1e15,
    default: 0,
    description: 'The id of the last event seen.',
  }),
  limit: Type.Integer({ minimum: 1, maximum: 1000, default: 200 }),
});
const MetricsQuery = Strict({
  max_points: Type.Integer({
    minimum: 2,
    maximum: 100_000,
    default: 100_000,
    description: 'Of a longer curve every n-th point and the last, no more than so many.',
  }),
  epoch: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 2_147_483_647,
      description: 'Of one attempt, instead of the curve.',
    }),
  ),
});

export function runHistoryRoutes(app: App, { db, streams }: Services): void {
  app.get(
    '/runs/:id/events',
    {
      config: { scope: 'read' },
      schema: {
        summary: 'What happened to a run, oldest first',
        tags,
        params: ById,
        querystring: EventsQuery,
        response: { 200: ref(RunEventPage) },
      },
    },
    async (request) => {
      const { id } = await getRun(db, request.params.id);
      return listEvents(db, id, request.query.after, request.query.limit);
    },
  );
  app.get(
    '/runs/:id/metrics',
    {
      config: { scope: 'read' },
      schema: {
        summary: 'The metrics of a run by step, as one curve over its attempts',
        tags,
        params: ById,
        querystring: MetricsQuery,
        response: { 200: ref(RunMetrics) },
      },
    },
    async (request) => {
      const { id } = await getRun(db, request.params.id);
      const { epoch, max_points } = request.query;
      return listMetrics(db, id, { epoch, maxPoints: max_points });
    },
  );
  app.get(
    '/runs/:id/attempts',
    {
      config: { scope: 'read' },
      schema: {
        summary: 'The attempts of a run',
        tags,
        params: ById,
        response: { 200: ref(RunAttemptList) },
      },
    },
    async (request) => {
      const { id } = await getRun(db, request.params.id);
      return { data: await listAttempts(db, id) };
    },
  );
  app.get(
    '/runs/:id/stream',
    {
      config: { scope: 'read' },
      schema: {
        summary: 'Watch a run: server-sent events',
        description:
          'Its events by name, `metric` for each step, `progress`, and `end`. `Last-Event-ID` goes on after an event.',
        tags,
        params: ById,
        response: {
          200: { description: 'Events', content: { 'text/event-stream': { schema: Type.String() } } },
        },
      },
    },
    async (request, reply) => {
      const { id } = await getRun(db, request.params.id);
      const cursor = parseCursor(request.headers['last-event-id'] as string | undefined);
      return streams.send(reply, (signal) => runStream(db, id, cursor, signal));
    },
  );
}
