import type { CheckpointKind } from '@trainyard/contracts';
import { type ExportedFile, textFile } from './exported-file.ts';

/** Text or records that the model learnt from. */
export interface CardDataset {
  name: string;
  kind: string;
  licence: string | null;
  collectedUntil: string | null;
}

/** What a model card tells. Dates are calendar dates. */
export interface CardFacts {
  checkpointId: string;
  kind: CheckpointKind;
  parameters: number;
  step: number;
  createdAt: string;
  knowledgeCutoff: string | null;
  /** One line for each run above the checkpoint, the earliest first. */
  stages: readonly string[];
  datasets: readonly CardDataset[];
  /** Licences of imported weights. */
  licences: readonly string[];
  /** The checkpoint that it was made from directly. */
  base: string | null;
}

const PURPOSE: Record<CheckpointKind, string> = {
  base: 'It continues text: a probability distribution over the next token. It was not taught to converse.',
  assistant: 'It answers in conversations that are laid out by the chat template of its tokenizer.',
  masked: 'It fills in blanks in text.',
  reward: 'It scores conversations; higher is better.',
};

/** One line of a table or list: what a user wrote must not break out of it. */
const line = (text: string): string => text.replace(/\s+/g, ' ').replaceAll('|', '\\|');

/** README.md: front matter as on the Hugging Face Hub, then lineage, data, licences and knowledge cut-off. */
export function modelCard(facts: CardFacts, library: 'transformers' | 'peft' = 'transformers'): ExportedFile {
  const licences = [
    ...new Set([...facts.licences, ...facts.datasets.flatMap(({ licence }) => licence ?? [])].map(line)),
  ].sort();
  const unknown = facts.datasets.filter(({ licence }) => licence === null).length;
  const single = licences.length === 1 && unknown === 0 ? licences[0] : undefined;
  return textFile(
    'README.md',
    `---
license: ${single ? JSON.stringify(single.toLowerCase()) : licences.length > 0 ? 'other' : 'unknown'}
library_name: ${library}
tags: [trainyard]
---

# ${facts.kind} model ${facts.checkpointId}

A Llama-style model of ${facts.parameters.toLocaleString('en')} parameters, trained with Trainyard. ${PURPOSE[facts.kind]}

- Checkpoint: ${facts.checkpointId}, step ${facts.step}, ${facts.createdAt}
- Knowledge cut-off: ${facts.knowledgeCutoff ?? 'unknown, since no date is known of what it was pre-trained on'}

## Lineage

${facts.stages.map((stage) => `1. ${line(stage)}`).join('\n')}

## Data

${facts.datasets.length === 0 ? 'No data is on record.' : dataTable(facts.datasets)}

## Licences

${licences.length === 0 ? 'No licence is on record for what it was made from.' : licences.map((name) => `- ${name}`).join('\n')}
${unknown > 0 ? `\nNo licence is on record for ${unknown} of the datasets.\n` : ''}`,
  );
}

function dataTable(datasets: readonly CardDataset[]): string {
  const rows = datasets.map(
    ({ name, kind, licence, collectedUntil }) =>
      `| ${line(name)} | ${line(kind)} | ${line(licence ?? 'unknown')} | ${collectedUntil ?? 'unknown'} |`,
  );
  return ['| dataset | kind | licence | collected until |', '|---|---|---|---|', ...rows].join('\n');
}
