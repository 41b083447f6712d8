// Generates the Prisma client. The client needs no engine; `prisma generate` still looks for a schema-engine binary
// that it never runs, so any executable stands in for it where its download is out of reach.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const stamp = path.join(root, 'packages/db/src/generated/.schema-sha256');

/** Generates packages/db/src/generated unless it already fits prisma/schema.prisma. */
export function generatePrisma() {
  const version = JSON.parse(
    readFileSync(path.join(root, 'node_modules/prisma/package.json'), 'utf8'),
  ).version;
  const want = createHash('sha256')
    .update(version)
    .update(readFileSync(path.join(root, 'prisma/schema.prisma')))
    .digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === want) return false;
  const result = spawnSync(
    process.execPath,
    ['node_modules/prisma/build/index.js', 'generate', '--no-hints'],
    {
      cwd: root,
      encoding: 'utf8',
      env: { PRISMA_SCHEMA_ENGINE_BINARY: process.execPath, CHECKPOINT_DISABLE: '1', ...process.env },
    },
  );
  if (result.status !== 0) throw new Error(`prisma generate failed:\n${result.stdout}${result.stderr}`);
  writeFileSync(stamp, want);
  return true;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) generatePrisma();
