import {
  ChatRequest,
  CompleteRequest,
  Completion,
  Prediction,
  PredictRequest,
  ref,
} from '@trainyard/contracts';
import type { FastifyReply } from 'fastify';
import type { App } from '../app.ts';
import { predictionForm, requireWriter, resolveModel } from '../checkpoint-model.ts';
import type { WriteTask } from '../inference/task.ts';
import { streamAnswer, whileConnected } from '../stream-answer.ts';
import { ByReference } from './parameters.ts';
import type { Services } from './routes.ts';

const tags = ['inference'];

export function inferenceRoutes(app: App, services: Services): void {
  const { db, inference } = services;

  const write = async (reference: string, task: WriteTask, stream: boolean, reply: FastifyReply) => {
    const { checkpoint, files } = await resolveModel(db, reference);
    requireWriter(checkpoint);
    const { signal } = whileConnected(reply);
    if (!stream) return inference.ask(files, task, { signal });
    return streamAnswer(reply, services.streams, (onText) => inference.ask(files, task, { signal, onText }));
  };

  app.post(
    '/checkpoints/:id/predict',
    {
      config: { scope: 'infer' },
      schema: {
        summary: 'The distribution of the next token, or of each blank',
        tags,
        params: ByReference,
        body: ref(PredictRequest),
        response: { 200: ref(Prediction) },
      },
    },
    async (request, reply) => {
      const { checkpoint, files } = await resolveModel(db, request.params.id);
      const { text, top_k } = request.body;
      const blanks = predictionForm(checkpoint, text);
      return inference.ask(files, { kind: 'predict', text, top_k, blanks }, whileConnected(reply));
    },
  );
  app.post(
    '/checkpoints/:id/complete',
    {
      config: { scope: 'infer' },
      schema: {
        summary: 'Continue a text',
        description:
          'With stream: `data: {"text": ...}` as it is written, at last `data: {"finish_reason": ...}`.',
        tags,
        params: ByReference,
        body: ref(CompleteRequest),
        response: { 200: ref(Completion) },
      },
    },
    async (request, reply) => {
      const { stream, ...task } = request.body;
      return write(request.params.id, { kind: 'complete', ...task }, stream, reply);
    },
  );
  app.post(
    '/checkpoints/:id/chat',
    {
      config: { scope: 'infer' },
      schema: {
        summary: 'Answer a conversation',
        description:
          'With stream: `data: {"text": ...}` as it is written, at last `data: {"finish_reason": ...}`.',
        tags,
        params: ByReference,
        body: ref(ChatRequest),
        response: { 200: ref(Completion) },
      },
    },
    async (request, reply) => {
      const { stream, ...task } = request.body;
      return write(request.params.id, { kind: 'chat', ...task }, stream, reply);
    },
  );
}
