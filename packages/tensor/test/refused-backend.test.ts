import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { loadBackend } from '../src/index.ts';

const mayHaveGpu = existsSync('/dev/nvidiactl') || existsSync('/dev/dxg') || process.platform === 'win32';

if (!mayHaveGpu)
  test('a named backend that this machine cannot have is refused, with the reason and what to do', async () => {
    const refused = loadBackend({ prefer: 'tensorflow-gpu' });
    await expect(refused).rejects.toMatchObject({ code: 'unavailable', param: 'backend' });
    await expect(refused).rejects.toThrow(/tfjs-node-gpu: this machine has no NVIDIA device.*npm run setup/);
  });
