// The one-shot migration container: node migrate.js FOLDER applies what the database DATABASE_URL lacks of it.
import { migrate } from '@trainyard/db';

try {
  const url = process.env.DATABASE_URL;
  if (!url) throw new Error('DATABASE_URL is not set; give the address of a Postgres database.');
  const applied = await migrate(url, process.argv[2]);
  console.log(applied.length > 0 ? `Applied ${applied.join(', ')}.` : 'The database is up to date.');
} catch (error) {
  console.error(`The migrations could not be applied: ${error.message}`);
  process.exitCode = 1;
}
