// Checks the arrows between the rooms (.dependency-cruiser.cjs), and that there was something to check.
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { cruise } from 'dependency-cruiser';
import extractDepcruiseOptions from 'dependency-cruiser/config-utl/extract-depcruise-options';
import extractTSConfig from 'dependency-cruiser/config-utl/extract-ts-config';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
process.chdir(root);
const options = await extractDepcruiseOptions('./.dependency-cruiser.cjs');
const rooms = ['packages', 'apps'].flatMap((folder) =>
  readdirSync(folder).map((name) => `${folder}/${name}`),
);
const { output } = await cruise([...rooms.map((room) => `${room}/src`), 'bench'], options, undefined, {
  tsConfig: extractTSConfig('tsconfig.json'),
});

const problems = output.summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} -> ${to}`);
for (const room of rooms)
  if (!output.modules.some(({ source }) => source.startsWith(`${room}/src/`)))
    problems.push(`no module of ${room} was read`);
if (!output.modules.some(({ source }) => source.startsWith('bench/')))
  problems.push('no module of bench was read');
for (const problem of problems) console.error(problem);
const own = output.modules.filter(({ source }) => rooms.some((room) => source.startsWith(`${room}/`)));
console.log(
  `${own.length} modules in ${rooms.length} rooms, ${output.summary.totalDependenciesCruised} dependencies, ${problems.length} problems`,
);
process.exit(problems.length > 0 || own.length === 0 ? 1 : 0);
