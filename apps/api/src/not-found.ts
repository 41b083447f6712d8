import { TrainyardError } from '@trainyard/contracts';
import type { FastifyInstance } from 'fastify';

/** Answers what no route takes: 405 naming the methods that there are for the path, else 404. */
export function answerUnknownRoutes(app: FastifyInstance): void {
  const methods = new Map<string, { pattern: RegExp; allowed: Set<string> }>();
  app.addHook('onRoute', ({ url, method }) => {
    const pattern = new RegExp(`^${url.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replace(/:\w+/g, '[^/]+')}/?$`);
    const known = methods.get(url) ?? { pattern, allowed: new Set() };
    for (const name of [method].flat()) known.allowed.add(name);
    methods.set(url, known);
  });
  app.setNotFoundHandler((request, reply) => {
    const [path = '/'] = request.url.split('?');
    const routes = [...methods.values()].filter(({ pattern }) => pattern.test(path));
    const allowed = [...new Set(routes.flatMap((route) => [...route.allowed]))].sort().join(', ');
    if (allowed === '' || allowed.includes(request.method))
      throw new TrainyardError('not_found', `There is no ${request.method} ${path.slice(0, 200)}.`);
    reply.header('allow', allowed);
    throw new TrainyardError('method_not_allowed', `${path.slice(0, 200)} takes ${allowed}.`);
  });
}
