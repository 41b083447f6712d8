import { fileURLToPath } from 'node:url';

const bundled = !import.meta.url.endsWith('.ts');

/** The repository: as far from this file in src as ... the bundle in dist is one folder nearer. */
export const ROOT = fileURLToPath(new URL(bundled ? '../../../' : '../../../../', import.meta.url));

const SOURCE = bundled ? [] : ['--conditions=source', '--import', 'tsx'];

const END_WITH_PARENT = new URL(bundled ? './end-with-parent.js' : './end-with-parent.ts', import.meta.url);

/** Node's arguments that run an app of the repository, from its sources or from its bundle as this program runs. */
export function programArguments(app: 'api' | 'worker'): string[] {
  return [...SOURCE, '--import', END_WITH_PARENT.href, entry(app, 'main')];
}

/** The same for the program that backs up, restores and verifies. */
export const MAINTENANCE_ARGUMENTS = [...SOURCE, entry('api', 'maintenance')];

function entry(app: string, name: string): string {
  return bundled ? `apps/${app}/dist/${name}.js` : `apps/${app}/src/${name}.ts`;
}
