import * as fs from 'node:fs';
import * as path from 'node:path';
import { buildEnvironment } from './node-gyp.mjs';
import { errorLine, run } from './run.mjs';

const FIRST_BYTE_MS = 20_000;
const DOWNLOAD_MS = 15 * 60_000;

/** The package's own way: libtensorflow and a prebuilt addon from where its makers publish them. */
export const official = {
  name: 'official',
  version: 'official',
  label: 'the installer that the package brings',

  async build(dir, context) {
    const arrived = () =>
      ['scripts/_tmp.zip', 'deps/lib'].some((name) => fs.existsSync(path.join(dir, name)));
    const result = await run(process.execPath, ['scripts/install.js', context.gpu ? 'gpu' : 'cpu'], {
      cwd: dir,
      env: await buildEnvironment(context),
      timeoutMs: DOWNLOAD_MS,
      giveUp: (elapsedMs) => elapsedMs > FIRST_BYTE_MS && !arrived(),
    });
    if (fs.existsSync(path.join(dir, context.addonFile))) return undefined;
    return `its installer could not download or build (${errorLine(result)})`;
  },
};
