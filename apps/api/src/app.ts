import { randomUUID } from 'node:crypto';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import Fastify, { type FastifyReply, type FastifyRequest } from 'fastify';
import { createAuthenticator, guard } from './auth.ts';
import { createKick } from './delivery.ts';
import type { Dependencies } from './dependencies.ts';
import { drainOnClose } from './drain.ts';
import { EventStreams } from './event-streams.ts';
import { exposeHealth } from './health.ts';
import { useJsonBodies } from './json-body.ts';
import { answerUnknownRoutes } from './not-found.ts';
import { COMPONENTS, documentApi } from './openapi.ts';
import { toProblem, toTrainyardError } from './problem.ts';
import { exposeMetrics } from './prometheus.ts';
import { refuseUnstorable } from './refuse-unstorable.ts';
import { routes } from './routes/routes.ts';
import { createValidatorCompiler } from './validation.ts';

/** Room for a prompt or a conversation of a million characters; uploads are streams and have their own limit. */
const BODY_BYTES = 8 * 2 ** 20;
const VERSION = '0.1.0';

export type App = ReturnType<typeof create>;

function create({ logger }: Dependencies) {
  return Fastify({
    loggerInstance: logger,
    bodyLimit: BODY_BYTES,
    routerOptions: { maxParamLength: 300, ignoreTrailingSlash: true },
    exposeHeadRoutes: false,
    forceCloseConnections: 'idle',
    genReqId: ({ headers }) => {
      const given = headers['x-request-id'];
      return typeof given === 'string' && /^[\w.-]{1,100}$/.test(given) ? given : randomUUID();
    },
    frameworkErrors: (error, request, reply) => {
      answerProblem(error, request as FastifyRequest, reply as FastifyReply);
    },
  }).withTypeProvider<TypeBoxTypeProvider>();
}

/** The server: its routes, and what holds for all of them. Listens to nothing yet. */
export function buildApp(dependencies: Dependencies): App {
  const { db, queue, logger } = dependencies;
  const app = create(dependencies);
  const streams = new EventStreams();
  const authenticator = createAuthenticator(db);
  const { kick, settled } = createKick(db, (deliveries) => queue.enqueue(deliveries), logger);
  app.setValidatorCompiler(createValidatorCompiler(COMPONENTS));
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  app.setErrorHandler(answerProblem);
  app.decorateRequest('apiKey');
  useJsonBodies(app);
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id);
  });
  app.addHook('onRequest', guard(authenticator));
  app.addHook('onRequest', refuseUnstorable);
  drainOnClose(app, streams);
  app.addHook('onClose', settled);
  answerUnknownRoutes(app);
  documentApi(app, VERSION);
  exposeHealth(app, dependencies);
  exposeMetrics(app, dependencies);
  app.register(
    async (v1) =>
      routes(v1.withTypeProvider<TypeBoxTypeProvider>(), { ...dependencies, authenticator, kick, streams }),
    {
      prefix: '/v1',
    },
  );
  return app;
}

function answerProblem(thrown: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const error = toTrainyardError(thrown);
  const log = { err: error.cause ?? error, code: error.code };
  if (error.status >= 500) request.log.error(log, error.message);
  else request.log.info({ code: error.code, param: error.param }, error.message);
  reply.header('x-request-id', request.id);
  if (error.status === 401) reply.header('www-authenticate', 'Bearer');
  if (error.status === 503) reply.header('retry-after', '1');
  reply.code(error.status).type('application/problem+json').send(toProblem(error, request.id));
}
