// Preloaded into programs: every MEMORY_EVERY_MS, the bytes that outlive a whole garbage collection go into the file
// MEMORY_FOLDER/<pid>.
import { renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc');
const file = path.join(process.env.MEMORY_FOLDER, String(process.pid));
setInterval(() => {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  writeFileSync(`${file}.part`, String(heapUsed + external));
  renameSync(`${file}.part`, file);
}, Number(process.env.MEMORY_EVERY_MS)).unref();
