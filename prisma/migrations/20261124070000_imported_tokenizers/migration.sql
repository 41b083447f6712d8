-- An imported tokenizer was measured on no text.
ALTER TABLE "tokenizers" ALTER COLUMN "bytes_per_token" DROP NOT NULL;
