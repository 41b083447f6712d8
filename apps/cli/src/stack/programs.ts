import { fileURLToPath } from 'node:url';

const bundled = !import.meta.url.endsWith('.ts');

/** The repository: as far from this file in src as ... the bundle in dist is one folder nearer. */
export const ROOT = fileURLToPath(new URL(bundled ? '../../../' : '../../../../', import.meta.url));

const END_WITH_PARENT = new URL(bundled ? './end-with-parent.js' : './end-with-parent.ts', import.meta.url);

/** Node's arguments that run an app of the repository, from its sources or from its bundle as this program runs. */
export function programArguments(app: 'api' | 'worker'): string[] {
  const entry = bundled ? `apps/${app}/dist/main.js` : `apps/${app}/src/main.ts`;
  const source = bundled ? [] : ['--conditions=source', '--import', 'tsx'];
  return [...source, '--import', END_WITH_PARENT.href, entry];
}
