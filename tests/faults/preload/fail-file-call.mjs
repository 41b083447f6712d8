// Preloaded into a program: after `inject({ call, number, fate })` the number-th call of that file function fails: an
// errno name, SIGKILL, or "short" for a write of half the bytes. `calls` counts the calls since then.
import { promises } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

let injection = {};
globalThis.inject = (next) => {
  injection = next;
  globalThis.calls = {};
};
globalThis.inject({});

function patch(owner, name) {
  const real = owner[name];
  owner[name] = async function (...args) {
    globalThis.calls[name] = (globalThis.calls[name] ?? 0) + 1;
    const { call, number, fate } = injection;
    if (name !== call || globalThis.calls[name] !== number) return real.apply(this, args);
    if (fate === 'SIGKILL') process.kill(process.pid, 'SIGKILL');
    if (fate === 'short') {
      const [[piece]] = args;
      return real.call(this, [piece.subarray(0, Math.ceil(piece.byteLength / 2))]);
    }
    throw Object.assign(new Error(`${fate}: injected into ${name}`), { code: fate });
  };
}

const handle = await promises.open('/dev/null');
const prototype = Object.getPrototypeOf(handle);
await handle.close();
for (const name of ['writev', 'sync']) patch(prototype, name);
for (const name of ['open', 'rename', 'mkdir', 'utimes', 'rm']) patch(promises, name);
syncBuiltinESMExports();
