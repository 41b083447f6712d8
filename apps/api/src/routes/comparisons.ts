import {
  Comparison,
  ComparisonPage,
  CreateComparison,
  Id,
  JudgeComparison,
  OneOf,
  PageQuery,
  ref,
  Strict,
} from '@trainyard/contracts';
import { createComparison, getComparison, judgeComparison, listComparisons } from '@trainyard/db';
import { Type } from 'typebox';
import { answerOnce } from '../answer-once.ts';
import type { App } from '../app.ts';
import { requireWriter, resolveModel } from '../checkpoint-model.ts';
import { whileConnected } from '../stream-answer.ts';
import { ById } from './parameters.ts';
import type { Services } from './routes.ts';

const tags = ['feedback'];
const MAX_SEED = 2_147_483_647;
/** Postgres keeps no NUL, which a model may well write. */
const storable = (text: string): string => text.replaceAll('\0', '\ufffd');

export function comparisonRoutes(app: App, { db, inference }: Services): void {
  app.post(
    '/comparisons',
    {
      config: { scope: 'feedback' },
      schema: {
        summary: 'Let an assistant answer twice, for a judgement',
        tags,
        body: ref(CreateComparison),
        response: { 201: ref(Comparison) },
      },
    },
    async (request, reply) => {
      const { checkpoint: reference, seed, messages, ...sampling } = request.body;
      const { checkpoint, files } = await resolveModel(db, reference);
      requireWriter(checkpoint);
      const connected = whileConnected(reply);
      const answer = async (own: number): Promise<string> => {
        const task = { kind: 'chat' as const, messages, ...sampling, seed: own };
        return storable((await inference.ask(files, task, connected)).text);
      };
      const answerA = await answer(seed);
      const answerB = await answer(seed === MAX_SEED ? 0 : seed + 1);
      return answerOnce(db, request, reply, (tx) =>
        createComparison(tx, { checkpointId: checkpoint.id, messages, answerA, answerB }),
      );
    },
  );
  app.get(
    '/comparisons',
    {
      config: { scope: 'read' },
      schema: {
        summary: 'List comparisons',
        tags,
        querystring: Strict({
          ...PageQuery,
          state: Type.Optional(OneOf(['waiting', 'judged'])),
          checkpoint: Type.Optional(Id),
        }),
        response: { 200: ref(ComparisonPage) },
      },
    },
    (request) => listComparisons(db, request.query),
  );
  app.get(
    '/comparisons/:id',
    {
      config: { scope: 'read' },
      schema: { summary: 'Get a comparison', tags, params: ById, response: { 200: ref(Comparison) } },
    },
    (request) => getComparison(db, request.params.id),
  );
  app.post(
    '/comparisons/:id/judgement',
    {
      config: { scope: 'feedback' },
      schema: {
        summary: 'Judge a comparison, once',
        tags,
        params: ById,
        body: ref(JudgeComparison),
        response: { 200: ref(Comparison) },
      },
    },
    (request) => {
      const judge = request.body.judge ?? request.apiKey.name;
      return db.transaction((tx) => judgeComparison(tx, request.params.id, request.body, judge));
    },
  );
}
