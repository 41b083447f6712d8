import { TrainyardError } from '@trainyard/contracts';

/** A file of a folder that is to be imported. */
export interface FolderFile {
  bytes: number;
  /** The bytes start ..< end, all of them. */
  read(start: number, end: number): Promise<Uint8Array>;
}

/** Files by name; a folder has no folders in it. */
export type Folder = ReadonlyMap<string, FolderFile>;

/** JSON files are read whole; the largest tokenizers have about 30 MB. */
const MAX_JSON_BYTES = 64 * 2 ** 20;

const SHARD = /^(model|adapter_model)(-\d{5}-of-\d{5})?\.safetensors$/;
const KNOWN = new Set([
  'config.json',
  'generation_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'chat_template.jinja',
  'model.safetensors.index.json',
  'adapter_config.json',
]);
/** What says nothing new about the model: notes, and what tokenizer.json holds already. */
const HARMLESS =
  /^(\.gitattributes|\.gitignore|readme(\.\w+)?|licen[cs]e(\.\w+)?|notice(\.\w+)?|use_policy(\.\w+)?|vocab\.json|merges\.txt|special_tokens_map\.json|added_tokens\.json)$/i;
/** Formats that run code when they are loaded. */
const PICKLED = /\.(bin|pt|pth|pkl|pickle|ckpt)$/i;

/** Throws `invalid_data` naming the first file that an import neither reads nor may pass over. */
export function checkFileName(name: string): void {
  if (PICKLED.test(name))
    refuse(name, 'is a pickle, which runs code when it is loaded; only safetensors are read');
  if (!KNOWN.has(name) && !HARMLESS.test(name) && !SHARD.test(name))
    refuse(name, 'is no file of a model folder that is known here; leave it out');
}

function refuse(name: string, problem: string): never {
  throw new TrainyardError('invalid_data', `${name} ${problem}.`, { param: name });
}

/** A file that must be there. Throws `invalid_data` naming it. */
export function requireFile(folder: Folder, name: string): FolderFile {
  return folder.get(name) ?? refuse(name, 'is missing');
}

/** A JSON object. Throws `invalid_data` naming the file. */
export async function readJson(folder: Folder, name: string): Promise<Record<string, unknown>> {
  const text = await readText(folder, name);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    refuse(name, `is not JSON (${(cause as Error).message.slice(0, 200)})`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    refuse(name, 'must hold an object');
  return value as Record<string, unknown>;
}

async function readText(folder: Folder, name: string): Promise<string> {
  const file = requireFile(folder, name);
  if (file.bytes > MAX_JSON_BYTES)
    refuse(name, `has ${file.bytes} bytes; at most ${MAX_JSON_BYTES} are read of such a file`);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(await file.read(0, file.bytes));
  } catch (cause) {
    if (cause instanceof TypeError) refuse(name, 'is not UTF-8');
    throw cause;
  }
}
