import { randomUUID } from 'node:crypto';
import type { CheckpointKind, Stage } from '@trainyard/contracts';
import {
  type ClaimedRun,
  claimRun,
  endAttempt,
  type Outcome,
  recordCheckpoint,
  recordStart,
  recordTokenizer,
  registerWorker,
} from '@trainyard/db';
import { type HostTensors, initParameters, type StoredModel, toModelConfig } from '@trainyard/engine';
import { encodeSafetensors, type SafeTensor, writeCheckpoint } from '@trainyard/storage';
import { BpeTrainer, type Tokenizer } from '@trainyard/tokenizer';
import { expect } from 'vitest';
import type { ApiUnderTest } from './api-under-test.ts';

export const WORDS = [
  'the quick brown fox jumps over the lazy dog',
  'the lazy dog sleeps under the brown tree',
  'a quick fox sees the dog and the tree',
  'over the tree the sun is brown and lazy',
];

/** What a worker does to a run, by the same functions, without training: enough to make what the API serves. */
export class ActingWorker {
  readonly api: ApiUnderTest;
  readonly id = randomUUID();

  private constructor(api: ApiUnderTest) {
    this.api = api;
  }

  static async register(api: ApiUnderTest): Promise<ActingWorker> {
    const worker = new ActingWorker(api);
    await registerWorker(api.db, {
      id: worker.id,
      name: 'acting',
      stages: ['tokenizer', 'pretrain'],
      backend: 'cpu',
      backendVersion: null,
      device: 'cpu',
      memoryBytes: 2 ** 33,
      hostname: 'here',
      pid: process.pid,
      version: '0',
    });
    return worker;
  }

  async claim(runId: string): Promise<ClaimedRun> {
    const claimed = await this.api.db.transaction((tx) =>
      claimRun(tx, runId, { workerId: this.id, backend: 'cpu', leaseSeconds: 60 }),
    );
    expect(claimed, 'a run to claim').toBeDefined();
    await this.api.db.transaction((tx) => recordStart(tx, claimed!.fence));
    return claimed!;
  }

  end(run: ClaimedRun, outcome: Outcome): Promise<void> {
    return this.api.db.transaction((tx) => endAttempt(tx, run.fence, outcome));
  }

  async dataset(name: string, kind: string, records: object[], query = ''): Promise<string> {
    const created = await this.api.call('POST', '/v1/datasets', { body: { name, kind } });
    const { status, body } = await this.api.call('POST', `/v1/datasets/${created.body.id}/versions${query}`, {
      body: records.map((record) => JSON.stringify(record)).join('\n'),
      headers: { 'content-type': 'application/x-ndjson' },
    });
    expect(status, JSON.stringify(body)).toBe(201);
    return body.id;
  }

  async submit(stage: Stage, inputs: object, config: object = {}): Promise<string> {
    const { status, body } = await this.api.call('POST', '/v1/runs', { body: { stage, inputs, config } });
    expect(status, JSON.stringify(body)).toBe(201);
    return body.id;
  }

  /** Trains a tokenizer on `dataset` and publishes it. */
  async makeTokenizer(dataset: string): Promise<{ id: string; tokenizer: Tokenizer }> {
    const run = await this.claim(
      await this.submit('tokenizer', { datasets: [dataset] }, { vocab_size: 300 }),
    );
    const trainer = new BpeTrainer({ vocabSize: 300 });
    for (const text of WORDS) trainer.add(text);
    const tokenizer = trainer.train();
    const { sha256 } = await this.api.blobs.put(Buffer.from(JSON.stringify(tokenizer.toJson())));
    const { vocabSize } = tokenizer;
    const id = await this.api.db.transaction((tx) =>
      recordTokenizer(tx, run.fence, { vocabSize, sha256, bytesPerToken: 2.5 }),
    );
    await this.end(run, { kind: 'succeeded', result: {} });
    return { id, tokenizer };
  }

  /** Publishes fresh weights of the tiny size as the final checkpoint of a run. */
  async makeCheckpoint(
    runId: string,
    made: {
      kind: CheckpointKind;
      tokenizerId: string;
      vocabSize: number;
      objective?: StoredModel['objective'];
      seed?: number;
    },
  ): Promise<{ id: string; model: StoredModel; weights: HostTensors }> {
    const { kind, tokenizerId, vocabSize, objective = 'next_word', seed = 1 } = made;
    const run = await this.claim(runId);
    const model: StoredModel = {
      layers: 2,
      width: 32,
      heads: 2,
      kv_heads: 1,
      hidden_width: 96,
      context_length: 64,
      tied_head: true,
      rope_theta: 10_000,
      vocab_size: vocabSize,
      attention: objective === 'masked' ? 'bidirectional' : 'causal',
      objective,
    };
    const weights = initParameters(toModelConfig(model), seed);
    for (const { data } of Object.values(weights)) for (let i = 0; i < data.length; i++) data[i]! *= 8;
    const written = await writeCheckpoint(this.api.blobs, {
      runId,
      epoch: run.epoch,
      step: 10,
      model,
      counters: {},
      cursor: { step: 10, seed },
      createdAt: new Date().toISOString(),
      files: { 'model.safetensors': encodeSafetensors(weights as Record<string, SafeTensor>) },
    });
    const id = await this.api.db.transaction((tx) =>
      recordCheckpoint(tx, run.fence, {
        step: 10,
        kind,
        final: true,
        tokenizerId,
        model: { ...model },
        parameters: Object.values(weights).reduce((sum, { data }) => sum + data.length, 0),
        manifestSha256: written.manifest.sha256,
        blobs: [written.manifest.sha256, ...written.files.map(({ sha256 }) => sha256)],
        bytes: written.bytes,
        metrics: { loss: 2.5 },
      }),
    );
    await this.end(run, { kind: 'succeeded', result: { loss: 2.5 } });
    return { id, model, weights };
  }
}
