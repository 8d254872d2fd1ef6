"""Fixtures as files, and random parameters under the names of the reference."""

import json
import re

import numpy as np


KEEPS_FLOAT64 = re.compile(r"^out64\.|^out\.step\.|\.mean$")
DTYPES = {"f4": "F32", "f8": "F64", "i8": "I64", "u1": "U8"}


def write(path, tensors, settings):
    header, blobs, at = {"__metadata__": {k: v if isinstance(v, str) else json.dumps(v)
                                          for k, v in settings.items()}}, [], 0
    for name, value in sorted(tensors.items()):
        value = np.asarray(value)
        if value.dtype == np.float64 and not KEEPS_FLOAT64.search(name):
            value = value.astype(np.float32)
        blob = np.ascontiguousarray(value).tobytes()
        header[name] = {"dtype": DTYPES[value.dtype.str[1:]], "shape": list(value.shape),
                        "data_offsets": [at, at + len(blob)]}
        blobs.append(blob)
        at += len(blob)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(blobs))


class Draw:
    """Random tensors, exact in float32."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)

    def __call__(self, *shape, scale=1.0, off=0.0):
        values = off + scale * self.random.standard_normal(shape)
        return values.astype(np.float32).astype(np.float64)

    def linear(self, name, size_in, size_out, bias=True):
        p = {name + ".weight": self(size_out, size_in, scale=size_in**-0.5)}
        return {**p, name + ".bias": self(size_out, scale=0.1)} if bias else p

    def norm(self, name, dim):
        return {name + ".weight": self(dim, scale=0.2, off=1), name + ".bias": self(dim, scale=0.1)}

    def mlp(self, name, widths, norm):
        p, i = {}, 0
        if norm:
            p, i = self.norm(f"{name}layers.0", widths[0]), 1
        for a, b in zip(widths, widths[1:]):
            p.update(self.linear(f"{name}layers.{i}", a, b))
            i += 2
        return p

    def slot_attention(self, s, use_mlp):
        p = {}
        for name in ("to_k", "to_v", "to_q"):
            p.update(self.linear(name, s, s, bias=False))
        for name in ("ih", "hh"):
            p[f"gru.weight_{name}"] = self(3 * s, s, scale=s**-0.5)
            p[f"gru.bias_{name}"] = self(3 * s, scale=0.1)
        if use_mlp:
            p.update(self.mlp("mlp.", [s, 4 * s, s], norm=True))
        return {**p, **self.norm("norm_features", s), **self.norm("norm_slots", s)}

    def transformer(self, s, blocks):
        p = {}
        for i in range(blocks):
            b = f"blocks.{i}."
            p.update(self.linear(b + "self_attn.qkv", s, 3 * s))
            p.update(self.linear(b + "self_attn.out_proj", s, s))
            p.update(self.linear(b + "linear1", s, 4 * s))
            p.update(self.linear(b + "linear2", 4 * s, s))
            p.update({**self.norm(b + "norm1", s), **self.norm(b + "norm2", s)})
        return p

    def mlp_decoder(self, s, tokens, dim, hidden, layers):
        return {"pos_emb": self(1, 1, tokens, s, scale=s**-0.5),
                **self.mlp("mlp.", [s, *[hidden] * layers, dim + 1], norm=False)}

    def slot_mixer(self, s, tokens, blocks, hidden, renderer, out):
        p = {"pos_emb": self(1, tokens, s, scale=s**-0.5)}
        p.update({f"allocator.{k}": v for k, v in self.transformer(s, blocks).items()})
        for name in ("norm_q", "norm_k", "norm_memory"):
            p.update(self.norm(name, s))
        for name in ("to_q", "to_k"):
            p.update(self.linear(name, s, s, bias=False))
        p.update(self.mlp("renderer.", [s, *[hidden] * renderer], norm=False))
        return {**p, **self.linear("output_transform", hidden, out)}

    def vit(self, dim, depth, grid, patch=14):
        p = {"cls_token": self(1, 1, dim, scale=0.5),
             "pos_embed": self(1, 1 + grid * grid, dim, scale=0.5),
             "patch_embed.proj.weight": self(dim, 3, patch, patch, scale=(3 * patch**2)**-0.5),
             "patch_embed.proj.bias": self(dim, scale=0.1)}
        for i in range(depth):
            b = f"blocks.{i}."
            p.update({**self.norm(b + "norm1", dim), **self.norm(b + "norm2", dim)})
            p.update(self.linear(b + "attn.qkv", dim, 3 * dim))
            p.update(self.linear(b + "attn.proj", dim, dim))
            p.update(self.linear(b + "mlp.fc1", dim, 4 * dim))
            p.update(self.linear(b + "mlp.fc2", 4 * dim, dim))
            p[b + "ls1.gamma"], p[b + "ls2.gamma"] = self(dim, off=0.8, scale=0.2), self(dim, off=1)
        return p


def prefixed(prefix, values):
    return {prefix + k: v for k, v in values.items()}
