export { preparePostgresBinaries } from './binaries.ts';
export { createDatabase } from './create-database.ts';
export { type EmbeddedPostgres, type PostgresOptions, startPostgres } from './start-postgres.ts';
export { startTestPostgres } from './start-test-postgres.ts';
