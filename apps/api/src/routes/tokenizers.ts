import {
  DecodeRequest,
  Decoding,
  EncodeRequest,
  Encoding,
  ref,
  Tokenizer,
  TokenizerPage,
} from '@trainyard/contracts';
import { getTokenizer, listTokenizers } from '@trainyard/db';
import type { App } from '../app.ts';
import { createTokenizerCache } from '../tokenizer-cache.ts';
import { ById, PageOnly } from './parameters.ts';
import type { Services } from './routes.ts';

const tags = ['tokenizers'];

export function tokenizerRoutes(app: App, { db, blobs }: Services): void {
  const load = createTokenizerCache(blobs);
  app.get(
    '/tokenizers',
    {
      config: { scope: 'read' },
      schema: {
        summary: 'List tokenizers',
        tags,
        querystring: PageOnly,
        response: { 200: ref(TokenizerPage) },
      },
    },
    (request) => listTokenizers(db, request.query),
  );
  app.get(
    '/tokenizers/:id',
    {
      config: { scope: 'read' },
      schema: { summary: 'Get a tokenizer', tags, params: ById, response: { 200: ref(Tokenizer) } },
    },
    (request) => getTokenizer(db, request.params.id),
  );
  app.post(
    '/tokenizers/:id/encode',
    {
      config: { scope: 'infer' },
      schema: {
        summary: 'Text as tokens',
        tags,
        params: ById,
        body: ref(EncodeRequest),
        response: { 200: ref(Encoding) },
      },
    },
    async (request) => {
      const tokenizer = await load(await getTokenizer(db, request.params.id));
      const tokens = [...tokenizer.encode(request.body.text)];
      return { tokens, pieces: tokens.map((token) => tokenizer.decode([token], { keepSpecial: true })) };
    },
  );
  app.post(
    '/tokenizers/:id/decode',
    {
      config: { scope: 'infer' },
      schema: {
        summary: 'Tokens as text',
        tags,
        params: ById,
        body: ref(DecodeRequest),
        response: { 200: ref(Decoding) },
      },
    },
    async (request) => {
      const tokenizer = await load(await getTokenizer(db, request.params.id));
      return { text: tokenizer.decode(request.body.tokens, { keepSpecial: true }) };
    },
  );
}
