// Bundles an app's entry points, with the workspace's packages in them and everything from node_modules left outside:
// node ../../scripts/bundle.mjs NAME=ENTRY ... (run in the app's folder)
import { build } from 'esbuild';

const entryPoints = Object.fromEntries(process.argv.slice(2).map((argument) => argument.split('=')));

const external = {
  name: 'external-packages',
  setup({ onResolve }) {
    onResolve({ filter: /^[^./]/ }, ({ path, kind }) =>
      kind === 'entry-point' || path.startsWith('@trainyard/') || path.startsWith('node:')
        ? undefined
        : { path, external: true },
    );
  },
};

await build({
  entryPoints,
  bundle: true,
  outdir: 'dist',
  platform: 'node',
  target: 'node20.19',
  format: 'esm',
  conditions: ['source'],
  plugins: [external],
  sourcemap: true,
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
  },
});
