import * as fs from 'node:fs';
import * as path from 'node:path';
import { run } from './run.mjs';

/** Where node-gyp finds node_api.h without a download; undefined: it downloads the headers itself. */
function nodeHeaders() {
  const besideNode = path.dirname(path.dirname(fs.realpathSync(process.execPath)));
  const folders = [process.env.npm_config_nodedir, besideNode, '/usr', '/usr/local'];
  return folders.find(
    (folder) => folder && fs.existsSync(path.join(folder, 'include', 'node', 'node_api.h')),
  );
}

/** The node-gyp inside npm. */
async function nodeGyp() {
  const npm = await run('npm', ['root', '-g', '--loglevel=silent'], { timeoutMs: 20_000 });
  const inNpm = path.join(npm.lastLine, 'npm', 'node_modules', 'node-gyp', 'bin', 'node-gyp.js');
  return [process.env.npm_config_node_gyp, inNpm].find((file) => file && fs.existsSync(file));
}

/** Environment in which a copy of the package outside node_modules finds its dependencies and node-gyp. */
export async function buildEnvironment({ root, packageDir }) {
  const [headers, gyp] = [nodeHeaders(), await nodeGyp()];
  const modules = [path.join(packageDir, 'node_modules'), path.join(root, 'node_modules')];
  return {
    NODE_PATH: modules.join(path.delimiter),
    PATH: [path.join(root, 'node_modules', '.bin'), process.env.PATH].join(path.delimiter),
    ...(headers && { npm_config_nodedir: headers }),
    ...(gyp && { npm_config_node_gyp: gyp }),
  };
}
