import { connect, type Socket } from 'node:net';
import { type MetricRow, recordMetrics } from '@trainyard/db';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { ActingWorker, WORDS } from './acting-worker.ts';
import { type ApiUnderTest, startApi } from './api-under-test.ts';

interface Event {
  id?: string;
  event?: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests read many shapes
  data: any;
}

const PATIENT = { timeout: 30_000 };
let api: ApiUnderTest;
let worker: ActingWorker;
let origin: string;

beforeAll(async () => {
  api = await startApi();
  worker = await ActingWorker.register(api);
  await worker.dataset(
    'words',
    'text',
    WORDS.map((text) => ({ text })),
    '?held_out_fraction=0',
  );
  origin = await api.app.listen({ port: 0 });
});
afterAll(() => api.close());

async function open(runId: string, lastEventId?: string) {
  const response = await fetch(`${origin}/v1/runs/${runId}/stream`, {
    headers: { authorization: `Bearer ${api.key}`, ...(lastEventId ? { 'last-event-id': lastEventId } : {}) },
  });
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
  return response.body!;
}

/** Events as a browser's EventSource would see them. */
async function* events(body: ReadableStream<Uint8Array>): AsyncGenerator<Event> {
  let text = '';
  for await (const chunk of body) {
    text += Buffer.from(chunk).toString();
    const blocks = text.split('\n\n');
    text = blocks.pop()!;
    for (const block of blocks) {
      const fields = Object.fromEntries(
        block
          .split('\n')
          .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]),
      );
      if (fields.data) yield { ...fields, data: JSON.parse(fields.data) };
    }
  }
}

const submit = () => worker.submit('tokenizer', { datasets: ['words'] });

async function recordSteps(run: { fence: { runId: string; epoch: number } }, from: number, to: number) {
  const rows: MetricRow[] = [];
  for (let step = from; step <= to; step++) rows.push({ step, at: new Date(), values: { merges: step } });
  await api.db.transaction((tx) => recordMetrics(tx, run.fence, rows));
}

it('follows a run live to its end, and goes on after any event', async () => {
  const id = await submit();
  const seen: Event[] = [];
  const watching = (async () => {
    for await (const event of events(await open(id))) seen.push(event);
  })();
  await expect.poll(() => seen.length, PATIENT).toBeGreaterThan(1);
  const run = await worker.claim(id);
  await recordSteps(run, 1, 700); // more than one batch
  await expect.poll(() => seen.filter(({ event }) => event === 'metric').length, PATIENT).toBe(700);
  await worker.end(run, { kind: 'succeeded', result: { vocab_size: 300 } });
  await watching;
  expect(seen.filter(({ event }) => event === 'state').map(({ data }) => data.data.to)).toEqual([
    'queued',
    'starting',
    'running',
    'succeeded',
  ]);
  const steps = seen.filter(({ event }) => event === 'metric').map(({ data }) => data.step);
  expect(steps).toEqual(Array.from({ length: 700 }, (_, i) => i + 1));
  expect(seen.at(-1)).toEqual({ event: 'end', data: { state: 'succeeded' } });
  expect(seen.filter(({ event }) => event === 'progress').at(-1)!.data.state).toBe('succeeded');

  // From the middle: exactly what followed.
  const withId = seen.filter(({ id }) => id !== undefined);
  const middle = 350;
  const rest: Event[] = [];
  for await (const event of events(await open(id, withId[middle]!.id))) rest.push(event);
  expect(rest.filter(({ id }) => id !== undefined)).toEqual(withId.slice(middle + 1));
  expect(rest.at(-1)!.event).toBe('end');
});

it('refuses an event id that it never gave', async () => {
  const { status, body } = await api.call('GET', `/v1/runs/${await submit()}/stream`, {
    headers: { 'last-event-id': 'yesterday' },
  });
  expect([status, body.param]).toEqual([400, 'Last-Event-ID']);
});

it('a reader that does not read costs no memory, and closing ends every stream with a retry hint', async () => {
  const own = await startApi();
  onTestFinished(() => own.close());
  const acting = await ActingWorker.register(own);
  await acting.dataset(
    'words',
    'text',
    WORDS.map((text) => ({ text })),
    '?held_out_fraction=0',
  );
  const id = await acting.submit('tokenizer', { datasets: ['words'] });
  const run = await acting.claim(id);
  const values = Object.fromEntries(
    Array.from({ length: 200 }, (_, i) => [`a_metric_with_a_long_name_${i}`, i]),
  );
  for (let from = 1; from <= 8000; from += 2000) {
    const rows = Array.from({ length: 2000 }, (_, i) => ({ step: from + i, at: new Date(), values }));
    await own.db.transaction((tx) => recordMetrics(tx, run.fence, rows));
  }
  const sockets: Socket[] = [];
  own.app.server.on('connection', (socket) => sockets.push(socket));
  const { port } = new URL(await own.app.listen({ port: 0 }));
  const request = `GET /v1/runs/${id}/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${own.key}\r\n\r\n`;
  const deaf = connect(Number(port), '127.0.0.1');
  deaf.pause();
  deaf.write(request);
  let heard = '';
  const hearing = connect(Number(port), '127.0.0.1');
  hearing.on('data', (data) => {
    heard = (heard + data.toString()).slice(-20_000);
  });
  hearing.write(request);
  await expect.poll(() => heard.includes('"step":8000'), PATIENT).toBe(true);
  // 8,000 steps of 7 KB were there to send: 56 MB. For the deaf reader some fill the kernel's buffers, and no more.
  const toDeaf = sockets.find(({ remotePort }) => remotePort === deaf.localPort)!;
  expect(toDeaf.bytesWritten).toBeLessThan(20_000_000);
  const ended = Promise.all(
    [deaf, hearing].map((socket) => new Promise((resolve) => socket.once('close', resolve))),
  );
  deaf.on('error', () => {});
  await own.app.close();
  deaf.resume();
  await ended;
  expect(heard).toContain('retry: 1000');
});
