export { type CheckpointContent, toWeights } from './checkpoint-content.ts';
export { exportGguf } from './export-gguf.ts';
export { exportHuggingFace } from './export-hugging-face.ts';
export { exportPeft, type LoraSettings } from './export-peft.ts';
export type { ExportedFile } from './exported-file.ts';
export { checkFileName, type Folder, type FolderFile } from './folder-files.ts';
export { type ImportedAdapters, importAdapters } from './import-adapters.ts';
export { type ImportedModel, importHuggingFace } from './import-folder.ts';
export type { CardDataset, CardFacts } from './model-card.ts';
