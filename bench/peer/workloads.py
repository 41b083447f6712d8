"""Train step, forward pass and generation in PyTorch, as measure-train.ts, -forward.ts and -generate.ts do them."""

import torch
from llama import Cache, Llama
from torch.nn import functional as F


def windows(spec, step):
    """[batch, context + 1] of the language of token-stream.ts."""
    model, generator = spec["model"], torch.Generator().manual_seed(1000 * spec["seed"] + step)
    vocab, length = model["vocabSize"], model["contextLength"] + 1
    token = torch.randint(vocab, (spec["batch"],), generator=generator)
    turns = torch.randint(4, (length, spec["batch"]), generator=generator)
    columns = []
    for turn in turns:
        columns.append(token)
        token = (7 * token + 1 + 13 * turn) % vocab
    return torch.stack(columns, 1)


class Train:
    """Mean cross-entropy, clipping by the global norm, AdamW with decay of the matrices."""

    def __init__(self, spec, compiled):
        self.spec, self.step, self.last = spec, 0, float("nan")
        self.model = Llama(spec["model"])
        self.loss = torch.compile(self.mean_loss, dynamic=False) if compiled else self.mean_loss
        parameters = list(self.model.parameters())
        groups = [
            {"params": [p for p in parameters if p.dim() > 1], "weight_decay": 0.1},
            {"params": [p for p in parameters if p.dim() == 1], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.95), eps=1e-8, fused=True)

    def mean_loss(self, inputs, targets):
        return F.cross_entropy(self.model(inputs).flatten(0, 1), targets.flatten())

    def iterate(self):
        rows = windows(self.spec, self.step)
        self.step += 1
        loss = self.loss(rows[:, :-1].contiguous(), rows[:, 1:].contiguous())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.last = loss.item()

    def facts(self):
        return {"loss": self.last}


class Forward:
    """The negative log-likelihood of every token, brought to the host, as an evaluation needs it."""

    def __init__(self, spec, compiled):
        self.model = Llama(spec["model"])
        self.score = torch.compile(self.losses, dynamic=False) if compiled else self.losses
        rows = windows(spec, 0)
        self.inputs, self.targets = rows[:, :-1].contiguous(), rows[:, 1:].contiguous()
        self.last = float("nan")

    def losses(self):
        return F.cross_entropy(self.model(self.inputs).flatten(0, 1), self.targets.flatten(), reduction="none")

    @torch.inference_mode()
    def iterate(self):
        self.last = self.score().numpy().mean().item()

    def facts(self):
        return {"loss": self.last}


class Generate:
    """Sampling at temperature 1 with cached keys and values; a token is on the host before the next is computed."""

    def __init__(self, spec, compiled):
        self.spec, self.compiled = spec, compiled
        self.model = Llama(spec["model"])
        self.extend = torch.compile(self.model.extend, dynamic=False) if compiled else self.model.extend
        self.prompts = windows(spec, 0)[:, : spec["promptLength"]].contiguous()
        self.generator = torch.Generator()

    @torch.inference_mode()
    def iterate(self):
        spec = self.spec
        prompt, new = spec["promptLength"], spec["newTokens"]
        self.generator.manual_seed(spec["seed"])
        cache = Cache(spec["model"], spec["batch"], prompt + new)
        tokens, places, drawn = self.prompts, torch.arange(prompt), []
        for i in range(new):
            # a compiled graph has one shape: it looks at every place, and its mask hides those to come
            length = prompt + new if self.compiled else prompt + i
            scores = self.extend(tokens, places, cache, length)
            tokens = torch.multinomial(scores.softmax(-1), 1, generator=self.generator)
            drawn.append(tokens.flatten().tolist())
            places = places[-1:] + 1

    def facts(self):
        return {}


def open_workload(spec, compiled):
    torch.set_num_threads(spec["threads"])
    torch.manual_seed(spec["seed"])
    return {"train": Train, "forward": Forward, "generate": Generate}[spec["workload"]](spec, compiled)
