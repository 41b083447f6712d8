import { expect, test } from 'vitest';
import { startRedisServer } from '../../packages/queue/test/redis-server.ts';
import { TEXT } from './corpus.ts';
import { startStack } from './worker-stack.ts';

const MINUTES = 600_000; // ms; a bound for a busy machine

test(
  'a pipeline runs over Redis, and one that loses all it holds in between loses no run',
  async () => {
    const redis = await startRedisServer();
    const stack = await startStack({ redisUrl: redis.url });
    try {
      expect(stack.queue.kind).toBe('redis');
      await stack.addData('text', 'text', TEXT);
      const id = await stack.submitPipeline([
        { name: 'tokens', stage: 'tokenizer', inputs: { datasets: ['text'] }, config: { vocab_size: 300 } },
        {
          name: 'base',
          stage: 'pretrain',
          inputs: { datasets: ['text'], tokenizer: { stage: 'tokens' } },
          config: { model: { preset: 'tiny' }, optimization: { steps: 20, batch_size: 2 } },
        },
        { name: 'bits', stage: 'eval', inputs: { datasets: ['text'], base: { stage: 'base' } } },
      ]);
      await redis.kill();
      await redis.start();
      await stack.startWorker('first');
      const { state, runs } = await stack.pipelineFinished(id);
      expect(state).toBe('succeeded');
      expect(runs.map(({ attempts }) => attempts)).toEqual([1, 1, 1]);
    } finally {
      await stack.stop();
      await redis.stop();
    }
  },
  MINUTES,
);
