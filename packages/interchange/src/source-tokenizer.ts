import { TrainyardError } from '@trainyard/contracts';
import { SPECIAL_TOKENS, Tokenizer } from '@trainyard/tokenizer';
import { ConfigReader } from './config-reader.ts';
import { type Folder, readJson } from './folder-files.ts';

type Boundary = 'bos' | 'eos';

/**
 * The tokenizer of a folder, with the tokens that begin and end a text: `bos_token` and `eos_token` of
 * tokenizer_config.json, else the ids of config.json, else `<|endoftext|>`; a text without a beginning of its own begins
 * with its end. Throws `invalid_data` naming the key for a tokenizer of another kind, or of another vocabulary.
 */
export async function sourceTokenizer(folder: Folder, config: Record<string, unknown>): Promise<Tokenizer> {
  const json = await readJson(folder, 'tokenizer.json');
  const own = folder.has('tokenizer_config.json') ? await readJson(folder, 'tokenizer_config.json') : {};
  const added = Array.isArray(json.added_tokens) ? (json.added_tokens as unknown[]) : [];
  const textOf = (id: unknown): string | undefined => {
    const token = added.find((entry) => (entry as { id?: unknown } | null)?.id === id);
    return (token as { content?: string } | undefined)?.content;
  };
  const boundary = (side: Boundary): string | undefined => {
    const named = own[`${side}_token`];
    const text =
      typeof named === 'object' && named !== null ? (named as { content?: unknown }).content : named;
    if (typeof text === 'string') return text;
    const ids = [config[`${side}_token_id`] ?? []].flat();
    return ids.map(textOf).find((found) => found !== undefined);
  };
  const end = boundary('eos') ?? SPECIAL_TOKENS.endOfText;
  const begin = boundary('bos') ?? end;
  const usual = begin === SPECIAL_TOKENS.endOfText && end === SPECIAL_TOKENS.endOfText;
  const tokenizer = Tokenizer.fromJson(usual ? json : { ...json, text_boundaries: { begin, end } });
  const reader = new ConfigReader('config.json', config);
  if (tokenizer.vocabSize !== config.vocab_size)
    reader.fail(
      'vocab_size',
      `is ${config.vocab_size}, but tokenizer.json has ${tokenizer.vocabSize} entries`,
    );
  return tokenizer;
}

/** The chat template of a folder, wherever its version of `transformers` puts it. */
export async function sourceChatTemplate(folder: Folder): Promise<unknown> {
  const file = folder.get('chat_template.jinja');
  if (file) {
    if (file.bytes > 2 ** 20)
      throw new TrainyardError('invalid_data', 'chat_template.jinja has more than 1 MiB.', {
        param: 'chat_template.jinja',
      });
    return new TextDecoder().decode(await file.read(0, file.bytes));
  }
  if (!folder.has('tokenizer_config.json')) return undefined;
  return (await readJson(folder, 'tokenizer_config.json')).chat_template;
}
