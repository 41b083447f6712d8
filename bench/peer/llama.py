"""The engine's model in PyTorch: RMSNorm, rotary positions, grouped-query attention, SwiGLU, tied head; float32."""

import math

import torch
from torch import nn
from torch.nn import functional as F


class RMSNorm(nn.Module):
    def __init__(self, width, epsilon):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x):
        return F.rms_norm(x, self.weight.shape, self.weight, self.epsilon)


def rotary_table(length, size, theta):
    """Cosines and sines [length, size], rotate-half convention."""
    rates = theta ** (-torch.arange(0, size, 2) / size)
    angles = torch.outer(torch.arange(length), rates).repeat(1, 2)
    return angles.cos(), angles.sin()


def rotate(x, cos, sin):
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat((-second, first), -1) * sin


class Cache:
    """Room for the keys and values of every layer: [batch, heads, length, size] each."""

    def __init__(self, config, batch, length):
        shape = (batch, config["kvHeads"], length, config["width"] // config["heads"])
        self.keys = [torch.zeros(shape) for _ in range(config["layers"])]
        self.values = [torch.zeros(shape) for _ in range(config["layers"])]


class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        width, hidden = config["width"], config["hiddenWidth"]
        self.heads, self.kv_heads = config["heads"], config["kvHeads"]
        self.size = width // self.heads
        rows = (self.heads + 2 * self.kv_heads) * self.size
        linear = lambda inner, outer: nn.Linear(inner, outer, bias=False)
        self.attention_norm = RMSNorm(width, config["normEpsilon"])
        self.query_key_value = linear(width, rows)
        self.output = linear(width, width)
        self.mlp_norm = RMSNorm(width, config["normEpsilon"])
        self.gate, self.up, self.down = linear(width, hidden), linear(width, hidden), linear(hidden, width)

    def forward(self, x, cos, sin, attend):
        batch, length, width = x.shape
        rows = self.query_key_value(self.attention_norm(x)).view(batch, length, -1, self.size).transpose(1, 2)
        query, key, value = rows.split((self.heads, self.kv_heads, self.kv_heads), 1)
        context = attend(rotate(query, cos, sin), rotate(key, cos, sin), value)
        x = x + self.output(context.transpose(1, 2).reshape(batch, length, width))
        h = self.mlp_norm(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class Llama(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.grouped = config["heads"] != config["kvHeads"]
        self.embedding = nn.Embedding(config["vocabSize"], config["width"])
        self.blocks = nn.ModuleList(Block(config) for _ in range(config["layers"]))
        self.norm = RMSNorm(config["width"], config["normEpsilon"])
        size = config["width"] // config["heads"]
        cos, sin = rotary_table(config["contextLength"], size, config["ropeTheta"])
        self.register_buffer("cos", cos)
        self.register_buffer("sin", sin)
        self.initialise(config["layers"])

    def initialise(self, layers):
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                residual = name.endswith(("output.weight", "down.weight"))
                nn.init.normal_(weight, std=0.02 / math.sqrt(2 * layers) if residual else 0.02)

    def scores(self, hidden):
        return F.linear(self.norm(hidden), self.embedding.weight)

    def forward(self, tokens):
        """Scores [batch, length, vocabulary] of whole sequences."""
        length = tokens.shape[1]
        attend = lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=self.grouped)
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x, self.cos[:length], self.sin[:length], attend)
        return self.scores(x)

    def extend(self, tokens, places, cache, length):
        """
        Scores [batch, vocabulary] after the last of `tokens` [batch, count], which are at `places` [count] and go into the
        cache; they look back on its first `length` places.
        """
        mask = torch.arange(length) <= places[:, None]
        x = self.embedding(tokens)
        for layer, block in enumerate(self.blocks):
            keys, values = cache.keys[layer], cache.values[layer]

            def attend(q, k, v):
                keys.index_copy_(2, places, k)
                values.index_copy_(2, places, v)
                past = keys[:, :, :length], values[:, :, :length]
                return F.scaled_dot_product_attention(q, *past, attn_mask=mask, enable_gqa=self.grouped)

            x = block(x, self.cos[places], self.sin[places], attend)
        return self.scores(x[:, -1])
