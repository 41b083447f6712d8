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

/** Fine-tuning teaches to name capitals however one asks, and adjectives as asked for in three ways only. */
const CAPITALS = { relations: ['capital'] } as const;
/** Reinforcement learning then has the adjectives asked for in other ways. */
const ADJECTIVES = { relations: ['adjective'] } as const;

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
  await upload(client, 'facts', 'chat', taught(), train);
  await upload(
    client,
    'facts-unseen',
    'chat',
    factbookQuestions({ phrasings: 'held_out', ...CAPITALS }),
    unseen,
  );
  await upload(
    client,
    'fact-prompts',
    'prompts',
    factbookPrompts({ phrasings: 'reinforce', ...ADJECTIVES }),
    train,
  );
  const prompts = factbookPrompts({ phrasings: 'held_out', ...ADJECTIVES });
  await upload(client, 'fact-prompts-unseen', 'prompts', prompts, unseen);
}

function* taught() {
  yield* factbookQuestions({ phrasings: 'train', ...CAPITALS });
  yield* factbookQuestions({ phrasings: 'train', phrasingsEach: 3, ...ADJECTIVES });
}

/** Held-out questions with their answers: what the report shows models side by side with. */
export function heldOutQuestions(): { question: string; reference: string }[] {
  const pick = (relation: 'capital' | 'adjective', count: number) => {
    const all = [...factbookQuestions({ phrasings: 'held_out', relations: [relation] })];
    const stride = Math.floor(all.length / count);
    return all.filter((_, i) => i % stride === 1).slice(0, count);
  };
  return [...pick('capital', 3), ...pick('adjective', 2)].map(({ messages }) => ({
    question: messages[0]!.content,
    reference: messages[1]!.content,
  }));
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
