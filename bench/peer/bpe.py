"""Byte-level BPE by Hugging Face `tokenizers`, cutting words by the same pattern, on one core."""

import json

from tokenizers import Tokenizer, models, pre_tokenizers, trainers


class Train:
    def __init__(self, spec, documents):
        self.vocab_size = spec["vocabSize"]
        self.documents = documents
        ours = Tokenizer.from_file(spec["tokenizerFile"])
        self.pre_tokenizer = ours.pre_tokenizer
        added = sorted(ours.get_added_tokens_decoder().items())
        self.special = [token for _, token in added]

    def iterate(self):
        self.tokenizer = Tokenizer(models.BPE())
        self.tokenizer.pre_tokenizer = self.pre_tokenizer
        trainer = trainers.BpeTrainer(
            vocab_size=self.vocab_size,
            special_tokens=self.special,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        self.tokenizer.train_from_iterator(self.documents, trainer)

    def facts(self):
        return {"entries": self.tokenizer.get_vocab_size()}


class Encode:
    def __init__(self, spec, documents):
        self.documents = documents
        self.tokenizer = Tokenizer.from_file(spec["tokenizerFile"])
        self.tokenizer.encode_special_tokens = True

    def iterate(self):
        encodings = self.tokenizer.encode_batch_fast(self.documents, add_special_tokens=False)
        self.tokens = sum(len(encoding.ids) for encoding in encodings)

    def facts(self):
        return {"tokens": self.tokens}


def open_workload(spec):
    with open(spec["documentsFile"], encoding="utf-8") as file:
        documents = json.load(file)
    kinds = {"tokenizer_train": Train, "tokenizer_encode": Encode}
    return kinds[spec["workload"]](spec, documents)
