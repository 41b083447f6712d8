import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import * as contracts from '@trainyard/contracts';
import type { FastifyInstance, RouteOptions } from 'fastify';

type Component = { $id: string };

const hasId = (value: unknown): value is Component =>
  typeof value === 'object' && value !== null && typeof (value as Partial<Component>).$id === 'string';

/** Every named schema of the contracts, and the configuration of each stage as `RunConfig_<stage>`. */
export const COMPONENTS: readonly Component[] = [
  ...Object.values<unknown>(contracts).filter(hasId),
  ...contracts.STAGES.map((stage) => ({ ...contracts.STAGE_CONFIG[stage], $id: `RunConfig_${stage}` })),
];

const problem = (description: string) => ({
  description,
  content: { 'application/problem+json': { schema: contracts.ref(contracts.Problem) } },
});

/** What holds for every route is said here once: who may call it, and how it refuses. */
function describeAccess(route: RouteOptions): void {
  if (!route.url.startsWith('/v1/')) return;
  const scope = route.config?.scope;
  if (!scope || !route.schema?.summary)
    throw new Error(`${route.method} ${route.url} needs a scope and a summary`);
  const { description = '', response = {} } = route.schema;
  route.schema.description = `${description}\n\nNeeds a key with the scope \`${scope}\`.`.trim();
  route.schema.security = [{ apiKey: [] }];
  route.schema.response = {
    ...(response as object),
    '4xx': problem('Refused: what is wrong, and where.'),
    '5xx': problem('It failed here; trying again may help.'),
  };
}

const TAGS = {
  datasets: 'Datasets and their immutable versions',
  tokenizers: 'Tokenizers that runs trained',
  runs: 'Training, evaluation and tokenizer runs',
  pipelines: 'Several runs, each made from what earlier ones made',
  checkpoints: 'Checkpoints, their files, tags and aliases',
  inference: 'Asking a checkpoint',
  lineage: 'What came from what',
  feedback: 'Comparisons of two answers and their judgements',
  workers: 'Who trains',
  'api-keys': 'Access',
};

/** OpenAPI 3.1 at /openapi.json, made from the same schemas that validate, and a page to read it at /docs. */
export function documentApi(app: FastifyInstance, version: string): void {
  for (const component of COMPONENTS) app.addSchema(component);
  app.addHook('onRoute', describeAccess);
  app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Trainyard',
        version,
        description:
          'Trains language-model assistants through the whole recipe as queued, resumable, traceable jobs.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
      components: { securitySchemes: { apiKey: { type: 'http', scheme: 'bearer', bearerFormat: 'ty_...' } } },
    },
    refResolver: { buildLocalReference: (json, _base, _fragment, i) => String(json.$id ?? `def-${i}`) },
  });
  app.register(swaggerUi, { routePrefix: '/docs', uiConfig: { docExpansion: 'none', deepLinking: true } });
  app.register(async (open) => {
    open.get('/openapi.json', { schema: { hide: true } }, () => app.swagger());
  });
}
