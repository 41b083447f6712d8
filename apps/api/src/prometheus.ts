import { STAGES } from '@trainyard/contracts';
import { countRuns } from '@trainyard/db';
import type { FastifyInstance } from 'fastify';
import { collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Dependencies } from './dependencies.ts';

/** Prometheus' text format at /metrics: this process, its requests, and the state of the whole installation. */
export function exposeMetrics(app: FastifyInstance, { db, queue, logger }: Dependencies): void {
  const register = new Registry();
  collectDefaultMetrics({ register });
  const duration = new Histogram({
    name: 'trainyard_http_request_duration_seconds',
    help: 'Time from the request to the end of its answer.',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers: [register],
  });
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'none';
    duration.observe({ method: request.method, route, status: reply.statusCode }, reply.elapsedTime / 1000);
  });
  new Gauge({
    name: 'trainyard_runs',
    help: 'Runs by stage and state.',
    labelNames: ['stage', 'state'],
    registers: [register],
    async collect() {
      this.reset();
      for (const { stage, state, count } of await countRuns(db)) this.set({ stage, state }, count);
    },
  });
  new Gauge({
    name: 'trainyard_queue_depth',
    help: 'Deliveries that wait in the queue, by stage; nothing while the queue is away.',
    labelNames: ['stage'],
    registers: [register],
    async collect() {
      this.reset();
      try {
        for (const [stage, depth] of Object.entries(await queue.depth(STAGES))) this.set({ stage }, depth);
      } catch (error) {
        logger.warn({ err: error }, 'the depth of the queue is not known');
      }
    },
  });
  app.register(async (open) => {
    open.get(
      '/metrics',
      { logLevel: 'warn', schema: { summary: 'Prometheus metrics', hide: true } },
      async (_request, reply) => reply.type(register.contentType).send(await register.metrics()),
    );
  });
}
