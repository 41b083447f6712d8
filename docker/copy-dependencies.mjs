// Copies the packages that an app needs while it runs, as package-lock.json has them, out of an installation of all:
// node docker/copy-dependencies.mjs apps/NAME TARGET [without PACKAGE ...]
import { cpSync, existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

const [app, target, , ...without] = process.argv.slice(2);
const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8'));
/** What packages load and do not declare. */
const UNDECLARED = { 'node_modules/@tensorflow/tfjs': ['long'] };
const USELESS_AT_RUN_TIME = /\.(map|d\.[cm]?ts)$/;

/** Where a package finds a dependency: in its own node_modules, else in those of the folders above. */
function locate(name, from) {
  for (let folder = from; ; folder = path.dirname(folder)) {
    const place = path.join(folder, 'node_modules', name);
    if (packages[place] && existsSync(place)) return place;
    if (folder === '.') return undefined;
  }
}

const found = new Set();

function visit(place) {
  const entry = packages[place];
  if (entry.link) return visit(entry.resolved);
  if (found.has(place)) return;
  found.add(place);
  const { dependencies, optionalDependencies, peerDependencies, peerDependenciesMeta = {} } = entry;
  const peers = Object.keys(peerDependencies ?? {}).filter((name) => !peerDependenciesMeta[name]?.optional);
  const declared = Object.keys({ ...dependencies, ...optionalDependencies });
  for (const name of [...declared, ...peers, ...(UNDECLARED[place] ?? [])]) {
    const dependency = locate(name, place);
    if (dependency) {
      if (!without.includes(name)) visit(dependency);
    } else if (!optionalDependencies?.[name])
      throw new Error(`${place} needs ${name}, which is not installed`);
  }
}

visit(app);
const copied = [...found].filter((place) => place.startsWith('node_modules/'));
for (const place of copied)
  cpSync(place, path.join(target, place), {
    recursive: true,
    filter: (source) =>
      !USELESS_AT_RUN_TIME.test(source) &&
      !path.relative(place, source).split(path.sep).includes('node_modules'),
  });
console.log(`${copied.length} packages for ${app}`);
