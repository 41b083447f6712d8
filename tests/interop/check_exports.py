"""Loads what was exported here with transformers and peft and compares: log-probabilities, token ids, conversations."""

import json
import sys
from pathlib import Path

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

work = Path(sys.argv[1])
rows = (work / "rows.jsonl").open("a")


def record(name, what, difference):
    rows.write(json.dumps({"name": name, "what": what, "difference": difference}) + "\n")


def read(path):
    return json.loads(path.read_text())


def difference(model, expected):
    with torch.no_grad():
        logits = model(torch.tensor([expected["tokens"]])).logits[0]
    ours = torch.tensor(expected["log_probabilities"])
    return (torch.log_softmax(logits.double(), -1) - ours).abs().max().item()


def load(folder, **options):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **options).eval()


texts = read(work / "texts.json")
for folder in sorted((work / "exported").iterdir()):
    expected = read(folder / "expected.json")
    record(folder.name, "our export in transformers", difference(load(folder), expected))
    for gguf in folder.glob("*.gguf"):
        record(folder.name, "our GGUF in transformers", difference(load(folder, gguf_file=gguf.name), expected))

tokenizer = AutoTokenizer.from_pretrained(work / "exported" / "assistant")
ids = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts["texts"]]
wrong = sum(a != b for a, b in zip(ids, texts["ids"], strict=True))
record("our tokenizer", f"texts of {len(ids)} with other ids", wrong)
wrong = 0
for conversation in texts["conversations"]:
    text = tokenizer.apply_chat_template(conversation["messages"], tokenize=False, add_generation_prompt=True)
    wrong += tokenizer(text, add_special_tokens=False)["input_ids"] != conversation["ids"]
record("our chat template", "conversations with other ids", wrong)

adapters = work / "exported-adapters"
expected = read(adapters / "expected.json")
model = PeftModel.from_pretrained(load(adapters / "base"), adapters / "adapters").eval()
record("our adapters", "in peft", difference(model, expected))
record("our adapters", "merged by peft", difference(model.merge_and_unload(), expected))

reward = work / "exported-reward"
expected = read(reward / "expected.json")
model = AutoModelForSequenceClassification.from_pretrained(reward, dtype=torch.float32).eval()
with torch.no_grad():
    score = model(torch.tensor([expected["tokens"]])).logits[0, 0].item()
record("our reward model", "score in transformers", abs(score - expected["score"]))
