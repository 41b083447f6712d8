/** Run by the tests as a process to be killed: starts PostgreSQL on argv[2], prints its URL, and stays. */
import { startPostgres } from '../src/index.ts';

const { url } = await startPostgres({ dataDir: process.argv[2]!, durable: false });
console.log(url);
setInterval(() => {}, 1000);
