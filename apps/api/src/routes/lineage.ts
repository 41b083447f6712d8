import { Id, LINEAGE_TYPES, Lineage, OneOf, ref, Strict } from '@trainyard/contracts';
import { getLineage } from '@trainyard/db';
import type { App } from '../app.ts';
import type { Services } from './routes.ts';

export function lineageRoutes(app: App, { db }: Services): void {
  app.get(
    '/lineage/:type/:id',
    {
      config: { scope: 'read' },
      schema: {
        summary: 'What something came from, and what came from it',
        tags: ['lineage'],
        params: Strict({ type: OneOf(LINEAGE_TYPES), id: Id }),
        querystring: Strict({ direction: OneOf(['up', 'down', 'both'], { default: 'both' }) }),
        response: { 200: ref(Lineage) },
      },
    },
    (request) => getLineage(db, request.params.type, request.params.id, request.query.direction),
  );
}
