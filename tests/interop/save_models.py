"""Saves random models, tokenizers and adapters with transformers, tokenizers and peft, beside what they make of them."""

import json
import sys
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

work = Path(sys.argv[1])
texts = json.loads((work / "texts.json").read_text())["texts"]

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def byte_level(use_regex):
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=use_regex)


def split(pattern):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), byte_level(False)])


PRE_TOKENIZERS = {
    "gpt-2": byte_level(True),
    "smollm": pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), byte_level(True)]),
    "llama-3": split(LLAMA3),
    "qwen-2": split(LLAMA3.replace("{1,3}", "")),
}


def train_tokenizer(name, begin, end):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = PRE_TOKENIZERS[name]
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.train_from_iterator(
        texts * 3,
        trainers.BpeTrainer(
            vocab_size=420,
            special_tokens=sorted({begin, end}),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=begin, eos_token=end)


CASES = {
    "F32, grouped-query, untied": dict(dtype=torch.float32, tokenizer="gpt-2"),
    "F32, tied, in shards": dict(
        dtype=torch.float32, tokenizer="smollm", tie=True, shards="150KB", begin="<|endoftext|>", end="<|endoftext|>"
    ),
    "F16, tied": dict(dtype=torch.float16, tokenizer="llama-3", tie=True, theta=500000.0),
    "BF16, untied": dict(dtype=torch.bfloat16, tokenizer="qwen-2", kv_heads=1, epsilon=1e-5),
}


def tokens_and_log_probabilities(model):
    model = model.eval()
    tokens = [(i * 37 + 11) % model.config.vocab_size for i in range(40)]
    with torch.no_grad():
        logits = model(torch.tensor([tokens])).logits[0]
    return {"tokens": tokens, "log_probabilities": torch.log_softmax(logits.double(), -1).tolist()}


def save(folder, case):
    tokenizer = train_tokenizer(case["tokenizer"], case.get("begin", "<s>"), case.get("end", "</s>"))
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=160,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=case.get("kv_heads", 2),
        max_position_embeddings=64,
        rms_norm_eps=case.get("epsilon", 1e-6),
        rope_parameters={"rope_type": "default", "rope_theta": case.get("theta", 10000.0)},
        tie_word_embeddings=case.get("tie", False),
        initializer_range=0.12,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    model = LlamaForCausalLM(config).to(case["dtype"])
    model.save_pretrained(folder, max_shard_size=case.get("shards", "1GB"))
    tokenizer.save_pretrained(folder)
    ids = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    # Loaded anew: a model that was cast has its rotary frequencies rounded, too.
    loaded = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)
    expected = tokens_and_log_probabilities(loaded) | {"ids": ids}
    (folder.parent.parent / "expected").mkdir(exist_ok=True)
    (folder.parent.parent / "expected" / f"{folder.name}.json").write_text(json.dumps(expected))
    return loaded


torch.manual_seed(7)
for name, case in CASES.items():
    save(work / "saved" / name, case)

base = save(work / "saved-adapters" / "base", CASES["F32, grouped-query, untied"])
lora = LoraConfig(
    r=4, lora_alpha=8, target_modules=["q_proj", "o_proj", "up_proj"], task_type="CAUSAL_LM", init_lora_weights=False
)
adapted = get_peft_model(base, lora)
adapted.save_pretrained(work / "saved-adapters" / "adapters")
(work / "expected" / "adapters.json").write_text(json.dumps(tokens_and_log_probabilities(adapted)))
