import { chatTemplate, type Tokenizer } from '@trainyard/tokenizer';
import type { CheckpointContent } from './checkpoint-content.ts';
import { type ExportedFile, jsonFile } from './exported-file.ts';
import { padId } from './llama-config.ts';

/** tokenizer.json as the library `tokenizers` reads it, which refuses members that it does not know. */
function libraryJson(tokenizer: Tokenizer): object {
  const { text_boundaries: _, ...json } = tokenizer.toJson() as Record<string, unknown>;
  return json;
}

/** tokenizer.json and tokenizer_config.json for `AutoTokenizer`. */
export function tokenizerFiles({ tokenizer, model }: CheckpointContent): ExportedFile[] {
  const text = (id: number) => tokenizer.specialText(id);
  return [
    jsonFile('tokenizer.json', libraryJson(tokenizer)),
    jsonFile('tokenizer_config.json', {
      tokenizer_class: 'PreTrainedTokenizerFast',
      bos_token: text(tokenizer.beginOfText),
      eos_token: text(tokenizer.special.endOfText),
      pad_token: text(padId(tokenizer)),
      model_max_length: model.context_length,
      clean_up_tokenization_spaces: false,
      chat_template: chatTemplate(tokenizer),
    }),
  ];
}
