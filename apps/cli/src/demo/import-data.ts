import type { Client } from '@trainyard/contracts';
import {
  FACTBOOK_COLLECTED_UNTIL,
  FACTBOOK_LICENCE,
  factbookPrompts,
  factbookQuestions,
  factbookText,
  recordSource,
  WORDNET_COLLECTED_UNTIL,
  WORDNET_LICENCE,
  wordnetText,
} from '@trainyard/datasets';
import type { DemoPreset } from './presets.ts';

const FACTS = { relations: ['capital'] } as const;

/** The datasets that the pipeline names, uploaded over REST as anybody would. */
export async function importData(client: Client, preset: DemoPreset): Promise<void> {
  const latest = [FACTBOOK_COLLECTED_UNTIL, WORDNET_COLLECTED_UNTIL].sort().at(-1)!;
  await upload(client, 'world-text', 'text', worldText(preset.wordnetDocuments), {
    held_out_fraction: 0.04,
    licence: `${FACTBOOK_LICENCE}; ${WORDNET_LICENCE}`,
    collected_until: latest,
  });
  const facts = { licence: FACTBOOK_LICENCE, collected_until: FACTBOOK_COLLECTED_UNTIL };
  const train = { ...facts, held_out_fraction: 0 };
  const unseen = { ...facts, held_out_fraction: 1 };
  await upload(client, 'facts', 'chat', factbookQuestions({ phrasings: 'train', ...FACTS }), train);
  await upload(
    client,
    'facts-unseen',
    'chat',
    factbookQuestions({ phrasings: 'held_out', ...FACTS }),
    unseen,
  );
  await upload(
    client,
    'fact-prompts',
    'prompts',
    factbookPrompts({ phrasings: 'reinforce', ...FACTS }),
    train,
  );
  const prompts = factbookPrompts({ phrasings: 'held_out', ...FACTS });
  await upload(client, 'fact-prompts-unseen', 'prompts', prompts, unseen);
}

function* worldText(wordnetDocuments: number) {
  yield* factbookText();
  let count = 0;
  for (const document of wordnetText({ seed: 1 })) {
    if (count++ === wordnetDocuments) return;
    yield document;
  }
}

async function upload(
  client: Client,
  name: string,
  kind: 'text' | 'chat' | 'prompts',
  records: Iterable<object>,
  about: { held_out_fraction: number; licence: string; collected_until: string },
): Promise<void> {
  const { data } = await client.datasets.list({ name });
  const dataset = data[0] ?? (await client.datasets.create({ name, kind, licence: about.licence }));
  const content = ReadableStream.from(recordSource(records));
  await client.datasets.upload(dataset.id, { content, type: 'application/x-ndjson' }, about);
}
