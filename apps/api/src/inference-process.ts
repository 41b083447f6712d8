import { TrainyardError } from '@trainyard/contracts';
import { openBlobStore } from '@trainyard/storage';
import { loadBackend } from '@trainyard/tensor';
import { answer } from './inference/answer.ts';
import { createModelCache, type LoadedModel } from './inference/loaded-model.ts';
import type { ErrorMessage, FromProcess, ToProcess } from './inference/messages.ts';
import type { ModelFiles } from './inference/task.ts';

const KEPT_MODELS = 2;

const send = (message: FromProcess): void => {
  process.send?.(message);
};
let settings: Extract<ToProcess, { type: 'open' }> | undefined;
let load: Promise<(files: ModelFiles) => Promise<LoadedModel>> | undefined;
let current: { id: number; controller: AbortController } | undefined;

/** The store and the backend, once; what was out of reach is tried again by the next task. */
function opened() {
  load ??= open(settings!).catch((error) => {
    load = undefined;
    throw error;
  });
  return load;
}

async function open({ storageUrl, backend }: Extract<ToProcess, { type: 'open' }>) {
  const blobs = await openBlobStore(storageUrl);
  send({ type: 'opened', backend: await loadBackend({ prefer: backend }) });
  return createModelCache(blobs, KEPT_MODELS);
}

async function work({ id, model, task }: Extract<ToProcess, { type: 'task' }>): Promise<void> {
  const controller = new AbortController();
  current = { id, controller };
  try {
    const loaded = await (await opened())(model);
    const onText = (text: string): void => send({ type: 'text', id, text });
    send({ type: 'answer', id, answer: await answer(loaded, task, { signal: controller.signal, onText }) });
  } catch (error) {
    send({ type: 'error', id, error: describe(error) });
  }
}

function describe(error: unknown): ErrorMessage {
  if (error instanceof TrainyardError) {
    const { code, message, param, details } = error;
    return { code, message, param, details };
  }
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { code: 'internal', message, param: undefined, details: [] };
}

process.on('message', (message: ToProcess) => {
  if (message.type === 'open') {
    settings = message;
    opened().catch(() => {}); // the first task tells
  } else if (message.type === 'task') void work(message);
  else if (current?.id === message.id) current.controller.abort();
});
// The API ends this process, and this process ends with the API; a signal to the whole group is not meant for it.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {});
process.on('disconnect', () => process.exit());
