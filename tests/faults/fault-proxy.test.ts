import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { eventually } from '../spawn-program.ts';
import { type FaultProxy, startFaultProxy } from './fault-proxy.ts';

const QUIET = 150; // ms in which something would have arrived on loopback

let server: Server;
let proxy: FaultProxy;
let reached: string[]; // what the server got
const clients: Socket[] = [];

beforeEach(async () => {
  reached = [];
  server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    socket.on('data', (data) => {
      reached.push(data.toString());
      socket.write(`echo ${data}`);
    });
    socket.on('end', () => socket.end('bye'));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  proxy = await startFaultProxy((server.address() as { port: number }).port);
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await proxy.close();
  server.close();
});

/** A client, and all that it was sent. */
async function open(): Promise<{ client: Socket; got: string[]; ended: Promise<unknown> }> {
  const client = connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true });
  clients.push(client);
  const got: string[] = [];
  client.on('data', (data) => got.push(data.toString()));
  const ended = new Promise((resolve) => {
    client.once('error', resolve);
    client.once('close', resolve);
  });
  await Promise.race([once(client, 'connect'), ended]);
  return { client, got, ended };
}

test('forwards both ways, megabytes and half-closed connections too', async () => {
  const { client } = await open();
  const answer = text(client);
  const megabytes = 'x'.repeat(3_000_000);
  client.end(megabytes);
  expect((await answer).replaceAll('echo ', '')).toBe(`${megabytes}bye`);
  expect(reached.join('')).toBe(megabytes);
  await eventually('no connection', () => proxy.connections() === 0);
});

test('the end of a client is the end of its connection to the server, and the other way round', async () => {
  const { client } = await open();
  client.write('a');
  await eventually('an arrival', () => reached.length === 1);
  client.resetAndDestroy();
  await eventually('no connection', () => proxy.connections() === 0);
  const other = await open();
  server.close();
  other.client.end();
  await other.ended;
});

test('cut resets what is open and what comes; restored, new connections work', async () => {
  const before = await open();
  before.client.write('a');
  await eventually('an echo', () => before.got.length === 1);
  proxy.cut();
  expect(await before.ended).toMatchObject({ code: 'ECONNRESET' });
  const meanwhile = await open();
  expect(await meanwhile.ended).toMatchObject({ code: expect.stringMatching(/ECONNRESET|EPIPE/) });
  expect(reached).toEqual(['a']);
  proxy.restore();
  const after = await open();
  after.client.write('b');
  await eventually('an echo', () => after.got.join() === 'echo b');
});

test.each([
  ['both ways', ['to_server', 'to_client'] as const, [], []],
  ['to the server', ['to_server'] as const, [], []],
  ['to the client', ['to_client'] as const, ['a'], []],
])(
  'a black hole %s: connections stay, nothing arrives, later all does',
  async (_, directions, there, back) => {
    const before = await open();
    proxy.blackHole(...directions);
    const meanwhile = await open();
    for (const { client } of [before, meanwhile]) client.write('a');
    await sleep(QUIET);
    expect(reached).toEqual([...there, ...there]);
    for (const { client, got } of [before, meanwhile]) {
      expect(got).toEqual(back);
      expect(client.destroyed).toBe(false);
    }
    proxy.restore();
    for (const { got } of [before, meanwhile]) await eventually('an echo', () => got.join() === 'echo a');
  },
);

test('a cut ends connections in a black hole', async () => {
  const { client, ended } = await open();
  proxy.blackHole('to_server');
  client.write('a');
  await sleep(QUIET);
  proxy.cut();
  expect(await ended).toMatchObject({ code: 'ECONNRESET' });
  await eventually('no connection', () => proxy.connections() === 0);
});

test('delay makes it late, in order', async () => {
  const { client, got } = await open();
  proxy.delay(QUIET);
  const begun = performance.now();
  client.write('a');
  await eventually('an arrival', () => reached.length === 1);
  client.write('b');
  await eventually('two echoes', () => got.join('') === 'echo aecho b');
  expect(performance.now() - begun).toBeGreaterThan(2 * QUIET);
});

test('a server that is away resets the client', async () => {
  server.close();
  await once(server, 'close');
  const { ended } = await open();
  expect(await ended).toMatchObject({ code: 'ECONNRESET' });
});
