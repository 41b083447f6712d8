import { type ChildProcess, fork } from 'node:child_process';
import { TrainyardError } from '@trainyard/contracts';
import type { BackendPreference } from '@trainyard/tensor';
import type { FastifyBaseLogger } from 'fastify';
import type { FromProcess, ToProcess } from './messages.ts';
import type { AnswerTo, ModelFiles, Task } from './task.ts';

/** Read by TensorFlow when it is loaded: for a few rows at a time Eigen is faster than oneDNN (docs/engine-log.md). */
const DECODING_ENVIRONMENT = { TF_ENABLE_ONEDNN_OPTS: '0' };

interface Ask {
  /** Ends the task; what it has written so far is lost. */
  signal?: AbortSignal;
  onText?: (text: string) => void;
}

export interface Inference {
  /**
   * Lets the model do a task, after those asked before. Throws `unavailable` if too many wait or the process died,
   * the signal's reason once it is aborted, and what the task itself throws.
   */
  ask<T extends Task>(model: ModelFiles, task: T, options?: Ask): Promise<AnswerTo<T>>;
  close(): Promise<void>;
}

export interface InferenceOptions {
  /** The program of the inference process. */
  program: URL;
  /** Node's own arguments for it; this process's by default. */
  execArgv?: string[];
  storageUrl: string;
  backend: BackendPreference;
  logger: FastifyBaseLogger;
  /** Tasks that may wait behind the one that is worked on. */
  maxWaiting?: number;
}

interface Job {
  id: number;
  model: ModelFiles;
  task: Task;
  onText: (text: string) => void;
  resolve: (answer: unknown) => void;
  reject: (error: unknown) => void;
}

/** How long a cancelled task may go on before its process is ended: a step that blocks hears nothing. */
const CANCEL_MS = 3000;

/** Runs models in a process of their own, started at first use and again whenever it has died. */
export function startInference(options: InferenceOptions): Inference {
  const { program, storageUrl, backend, logger, maxWaiting = 32 } = options;
  const waiting: Job[] = [];
  let current: Job | undefined;
  let child: ChildProcess | undefined;
  let lastId = 0;
  let closed = false;

  const send = (message: ToProcess): void => {
    child?.send(
      message,
      (error) => error && logger.warn({ err: error }, 'the inference process takes no message'),
    );
  };
  const start = (): void => {
    const started = fork(program, [], {
      env: { ...DECODING_ENVIRONMENT, ...process.env },
      execArgv: options.execArgv ?? process.execArgv,
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    child = started;
    started.on('message', (message) => receive(message as FromProcess));
    started.on('error', (error) => logger.error({ err: error }, 'the inference process failed'));
    started.once('close', (code, signal) => {
      if (child !== started) return;
      child = undefined;
      if (!closed) logger.warn({ code, signal }, 'the inference process ended');
      finish((job) =>
        job.reject(
          new TrainyardError('unavailable', 'The inference process died at this request; try again.'),
        ),
      );
    });
    send({ type: 'open', storageUrl, backend });
  };
  const finish = (settle: (job: Job) => void): void => {
    if (current) settle(current);
    current = undefined;
    next();
  };
  const next = (): void => {
    if (current || closed) return;
    current = waiting.shift();
    if (!current) return;
    if (!child) start();
    send({ type: 'task', id: current.id, model: current.model, task: current.task });
  };
  const receive = (message: FromProcess): void => {
    if (message.type === 'opened') {
      logger.info({ backend: message.backend }, 'the inference process is ready');
      return;
    }
    if (message.id !== current?.id) return;
    if (message.type === 'text') current.onText(message.text);
    else if (message.type === 'answer') finish((job) => job.resolve(message.answer));
    else {
      const { code, message: text, param, details } = message.error;
      finish((job) => job.reject(new TrainyardError(code, text, { details, ...(param ? { param } : {}) })));
    }
  };
  const cancel = (job: Job, reason: unknown): void => {
    job.reject(reason);
    const place = waiting.indexOf(job);
    if (place >= 0) waiting.splice(place, 1);
    if (current !== job) return;
    send({ type: 'cancel', id: job.id });
    setTimeout(() => current === job && child?.kill('SIGKILL'), CANCEL_MS).unref();
  };

  return {
    ask: (model, task, { signal, onText = () => {} } = {}) => {
      if (closed) return Promise.reject(new TrainyardError('unavailable', 'The server is stopping.'));
      if (waiting.length >= maxWaiting)
        return Promise.reject(
          new TrainyardError(
            'unavailable',
            `${waiting.length} requests wait for a model already; try again soon.`,
          ),
        );
      return new Promise<unknown>((resolve, reject) => {
        signal?.throwIfAborted();
        const job: Job = { id: ++lastId, model, task, onText, resolve, reject };
        signal?.addEventListener('abort', () => cancel(job, signal.reason), { once: true });
        waiting.push(job);
        next();
      }) as Promise<AnswerTo<typeof task>>;
    },
    async close() {
      closed = true;
      for (const job of [...waiting.splice(0), ...(current ? [current] : [])])
        job.reject(new TrainyardError('unavailable', 'The server is stopping.'));
      const ended = child && new Promise((resolve) => child?.once('close', resolve));
      child?.kill('SIGKILL');
      await ended;
    },
  };
}
