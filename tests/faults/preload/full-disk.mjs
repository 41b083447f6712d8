// Preloaded into programs: while the file FULL_WHILE exists no write to an open file finds room, and no room is reported.
import { existsSync, promises } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const isFull = () => existsSync(process.env.FULL_WHILE);
const handle = await promises.open('/dev/null', 'w');
const { writev } = Object.getPrototypeOf(handle);
Object.getPrototypeOf(handle).writev = async function (...args) {
  if (isFull()) throw Object.assign(new Error('ENOSPC: no space left on device, writev'), { code: 'ENOSPC' });
  return writev.apply(this, args);
};
await handle.close();

const { statfs } = promises;
promises.statfs = async (...args) => {
  const found = await statfs(...args);
  return isFull() ? { ...found, bavail: 0 } : found;
};
syncBuiltinESMExports();
