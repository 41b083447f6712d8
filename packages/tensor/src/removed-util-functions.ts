import { createRequire } from 'node:module';

/**
 * Node 23 removed `util.isNullOrUndefined` and `util.isArray`, which every operation of tfjs-node 4.22 calls.
 * Puts them back; must run before tfjs-node is loaded.
 */
export function restoreRemovedUtilFunctions(): void {
  const util: Record<string, unknown> = createRequire(import.meta.url)('node:util');
  util.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined;
  util.isArray ??= Array.isArray;
}
