import {
  CreateRun,
  Id,
  PageQuery,
  Run,
  RunEstimate,
  RunPage,
  type Run as RunResource,
  RunStageSchema,
  RunStateSchema,
  ref,
  Strict,
} from '@trainyard/contracts';
import {
  cancelRun,
  createRun,
  getRun,
  listRuns,
  pauseRun,
  resumeRun,
  retryRun,
  type Tx,
} from '@trainyard/db';
import { Type } from 'typebox';
import { answerOnce } from '../answer-once.ts';
import type { App } from '../app.ts';
import { estimateRun } from '../estimate.ts';
import { ById } from './parameters.ts';
import type { Services } from './routes.ts';

const tags = ['runs'];
const STEERING = {
  cancel: { act: cancelRun, summary: 'Cancel a run: at once, or within seconds if a worker has it' },
  pause: { act: pauseRun, summary: 'Pause a run: it writes a checkpoint and lets its worker go' },
  resume: { act: resumeRun, summary: 'Let a paused run go on' },
  retry: { act: retryRun, summary: 'Queue a failed or cancelled run again, from its latest checkpoint' },
} satisfies Record<string, { act: (tx: Tx, id: string) => Promise<RunResource>; summary: string }>;

export function runRoutes(app: App, { db, kick }: Services): void {
  app.post(
    '/runs',
    {
      config: { scope: 'write' },
      schema: {
        summary: 'Submit a run, or estimate it',
        description: 'With validate_only=true nothing is created: the same checks, then what it would take.',
        tags,
        querystring: Strict({ validate_only: Type.Boolean({ default: false }) }),
        body: ref(CreateRun),
        response: { 200: ref(RunEstimate), 201: ref(Run) },
      },
    },
    async (request, reply) => {
      if (request.query.validate_only) return estimateRun(db, request.body);
      const run = await answerOnce(db, request, reply, (tx) => createRun(tx, request.body));
      kick();
      return run;
    },
  );
  app.get(
    '/runs',
    {
      config: { scope: 'read' },
      schema: {
        summary: 'List runs',
        tags,
        querystring: Strict({
          ...PageQuery,
          stage: Type.Optional(RunStageSchema),
          state: Type.Optional(RunStateSchema),
          pipeline: Type.Optional(Id),
        }),
        response: { 200: ref(RunPage) },
      },
    },
    (request) => listRuns(db, request.query),
  );
  app.get(
    '/runs/:id',
    {
      config: { scope: 'read' },
      schema: { summary: 'Get a run', tags, params: ById, response: { 200: ref(Run) } },
    },
    (request) => getRun(db, request.params.id),
  );
  for (const [verb, { act, summary }] of Object.entries(STEERING))
    app.post(
      `/runs/:id/${verb}`,
      { config: { scope: 'write' }, schema: { summary, tags, params: ById, response: { 200: ref(Run) } } },
      async (request) => {
        const run = await db.transaction((tx) => act(tx, request.params.id));
        kick();
        return run;
      },
    );
}
