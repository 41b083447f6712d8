import {
  CollectFeedback,
  type Comparison,
  type Dataset,
  DatasetVersion,
  ref,
  TrainyardError,
} from '@trainyard/contracts';
import { ingestDataset } from '@trainyard/datasets';
import {
  addDatasetVersion,
  createDataset,
  type Database,
  linkFeedback,
  listDatasets,
  preferences,
  resolveCheckpoint,
} from '@trainyard/db';
import { answerOnce } from '../answer-once.ts';
import type { App } from '../app.ts';
import { ingestLimits } from '../ingest-limits.ts';
import type { Services } from './routes.ts';

/** Two answers that differ in nothing, or one that is blank, teach nothing. */
const teaches = ({ answer_a, answer_b }: Comparison): boolean =>
  answer_a !== answer_b && /\S/.test(answer_a) && /\S/.test(answer_b);

function* asLines(comparisons: Comparison[]): Generator<Uint8Array> {
  for (const { messages, answer_a, answer_b, verdict } of comparisons) {
    const [chosen, rejected] = verdict === 'a' ? [answer_a, answer_b] : [answer_b, answer_a];
    yield Buffer.from(`${JSON.stringify({ prompt: messages, chosen, rejected })}\n`);
  }
}

async function existing(db: Database, name: string): Promise<Dataset | undefined> {
  const [dataset] = (await listDatasets(db, { name })).data;
  if (dataset && dataset.kind !== 'preference')
    throw new TrainyardError(
      'conflict',
      `Dataset ${name} holds ${dataset.kind} records; judgements need one of kind preference, or a new name.`,
      { param: 'dataset' },
    );
  return dataset;
}

export function feedbackRoutes(app: App, { db, blobs, config }: Services): void {
  app.post(
    '/feedback/collect',
    {
      config: { scope: 'write' },
      schema: {
        summary: 'Make a preference dataset version of the judged comparisons',
        tags: ['feedback'],
        body: ref(CollectFeedback),
        response: { 201: ref(DatasetVersion) },
      },
    },
    async (request, reply) => {
      const { dataset: name, checkpoint: reference, held_out_fraction: heldOutFraction } = request.body;
      const checkpoint = reference && (await resolveCheckpoint(db.client, reference, 'checkpoint'));
      const known = await existing(db, name);
      const comparisons = (await preferences(db, checkpoint ? checkpoint.id : undefined)).filter(teaches);
      if (comparisons.length === 0)
        throw new TrainyardError(
          'invalid_request',
          'No comparison with a preference was judged yet; judge some first.',
          {
            param: 'checkpoint',
          },
        );
      const content = await ingestDataset({
        source: (async function* () {
          yield* asLines(comparisons);
        })(),
        format: 'jsonl',
        compression: 'none',
        kind: 'preference',
        heldOutFraction,
        store: blobs,
        ...ingestLimits(config),
      });
      return answerOnce(db, request, reply, async (tx) => {
        const { id } = known ?? (await createDataset(tx, { name, kind: 'preference' }));
        const version = await addDatasetVersion(tx, id, content, { heldOutFraction });
        await linkFeedback(
          tx,
          version.id,
          comparisons.map((comparison) => comparison.id),
        );
        return version;
      });
    },
  );
}
