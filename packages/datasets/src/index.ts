export { concatenate, type Tokens } from './concatenate.ts';
export type { Compression } from './ingest/decompress.ts';
export { type Ingest, type IngestLimits, ingestDataset } from './ingest/ingest-dataset.ts';
export { previewDataset, readRecords } from './read-records.ts';
export type {
  ChatRecord,
  InstructionRecord,
  PreferenceRecord,
  Prompt,
  PromptsRecord,
  RecordOf,
  TextRecord,
} from './record.ts';
export { indexSampler, type Sampler, type SamplerOptions, windowSampler } from './samplers.ts';
export { recordSource, SAMPLES, type Sample } from './samples/catalogue.ts';
export { RELATIONS, type Relation } from './samples/factbook-facts.ts';
export { FACTBOOK_PHRASINGS, type RelationPhrasings } from './samples/factbook-phrasings.ts';
export {
  FACTBOOK_COLLECTED_UNTIL,
  FACTBOOK_LICENCE,
  type FactOptions,
  factbookPreferences,
  factbookPrompts,
  factbookQuestions,
  factbookText,
} from './samples/factbook-samples.ts';
export {
  type SkillOptions,
  WORDNET_COLLECTED_UNTIL,
  WORDNET_LICENCE,
  WORDNET_PHRASINGS,
  type WordSkill,
  wordnetQuestions,
  wordnetSkillPrompts,
  wordnetSkillQuestions,
  wordnetText,
} from './samples/wordnet-samples.ts';
export { toChat } from './to-chat.ts';
export { TokenShard } from './token-shard.ts';
export { type TokenizeText, tokenizeText } from './tokenize-text.ts';
export type { DatasetVersionContent, SplitContent } from './version-content.ts';
