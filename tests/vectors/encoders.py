#!/usr/bin/env python3
"""Writes folders of small converted models with random weights, and the answers of the computation that FORM.md of
   host-tools/train defines, in f64. The polynomial form and the original are computed here without the library.
   usage: encoders.py [FOLDER]        needs numpy; the default folder is encoders beside this file"""

import json
import math
import struct
import sys
from pathlib import Path

import numpy as np
from numpy.polynomial import chebyshev

WORDS = ["[PAD]", "[UNK]"] + [f"w{i}" for i in range(14)]
TEXTS = ["w0 w1 w2", "w3", "w4 w5 w6 w7 w8", "w9 w10 what w11", "w13 w12 w0 w0 w5 w2", "w1 w2 w3 w4 w5 w6 w7 w8"]
MARGIN = 1.3

MODELS = {
    "embed": {
        "task": "embed", "pooling": "mean", "place": "post", "norm": "layer", "width": 12, "heads": 3, "hidden": 20,
        "layers": 2, "types": 2, "act": "gelu", "degree": 4, "dtype": ["F32"],
        "attention": {"kind": "power_softmax", "form": "length_agnostic", "power": 2, "epsilon": 0.1},
    },
    "classify": {
        "task": "classify", "pooling": "first", "place": "post", "norm": "layer", "width": 16, "heads": 2, "hidden": 24,
        "layers": 2, "types": 1, "act": "relu", "degree": 2, "dtype": ["F16", "BF16"], "head": ["pooler.dense", "classifier"],
        "labels": ["no", "yes", "maybe"], "attention": {"kind": "scaled_sigma", "sigma": "gelu"},
    },
    "tokens": {
        "task": "tokens", "pooling": "each", "place": "post", "norm": "layer", "width": 24, "heads": 4, "hidden": 32,
        "layers": 1, "types": 0, "act": "gelu_new", "degree": 6, "dtype": ["F32"], "head": ["classifier"],
        "labels": ["O", "B", "I"], "attention": {"kind": "power_softmax", "form": "length_agnostic", "power": 4, "epsilon": 0.05},
    },
    "wide": {
        "task": "embed", "pooling": "mean", "place": "post", "norm": "layer", "width": 132, "heads": 3, "hidden": 8,
        "layers": 1, "types": 0, "act": "gelu", "degree": 2, "dtype": ["F16"], "original": False,
        "attention": {"kind": "power_softmax", "form": "length_agnostic", "power": 2, "epsilon": 0.1},
    },
    "before": {
        "task": "embed", "pooling": "last", "place": "pre", "norm": "rms", "width": 10, "heads": 2, "hidden": 14,
        "layers": 2, "types": 0, "act": "silu", "degree": 5, "dtype": ["F32"],
        "attention": {"kind": "power_softmax", "form": "length_agnostic", "power": 2, "epsilon": 0.1},
    },
}  # fmt: skip

erf = np.vectorize(math.erf)
FUNCTIONS = {
    "gelu": lambda x: 0.5 * x * (1 + erf(x / math.sqrt(2))),
    "gelu_new": lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "relu": lambda x: np.maximum(x, 0.0),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "inverse_sqrt": lambda x: 1 / np.sqrt(x),
    "reciprocal": lambda x: 1 / x,
}


class Polynomial:
    def __init__(self, name, lo, hi, degree):
        self.name, self.lo, self.hi = name, lo, hi
        unit = lambda t: FUNCTIONS[name]((lo + hi) / 2 + (hi - lo) / 2 * t)
        self.coeffs = chebyshev.chebinterpolate(unit, degree)
        if name == "relu":  # a quadratic whose leading coefficient is positive
            assert self.coeffs[-1] > 0

    def __call__(self, x):
        return chebyshev.chebval((2 * x - self.lo - self.hi) / (self.hi - self.lo), self.coeffs)

    def json(self):
        return {"function": self.name, "lo": self.lo, "hi": self.hi, "degree": len(self.coeffs) - 1,
                "coeffs": [float(c) for c in self.coeffs]}  # fmt: skip


class Model:
    """Weights and, once `fix` has run, polynomials. `run` notes the range of every site."""

    def __init__(self, name, seed):
        self.__dict__.update(MODELS[name])
        rng = np.random.default_rng(seed)
        w, h = self.width, self.hidden
        self.tensors = {}

        def add(name, *shape, scale=None, offset=0.0):
            scale = 1 / math.sqrt(shape[-1]) if scale is None else scale
            self.tensors[name] = offset + scale * rng.standard_normal(shape)

        def norm(name):
            add(f"{name}.weight", w, scale=0.2, offset=1.0)
            if self.norm == "layer":
                add(f"{name}.bias", w, scale=0.2)

        def linear(name, rows, cols):
            add(f"{name}.weight", rows, cols)
            add(f"{name}.bias", rows, scale=0.2)

        add("embeddings.word_embeddings.weight", len(WORDS), w, scale=1.0)
        add("embeddings.position_embeddings.weight", 10, w, scale=0.5)
        if self.types:
            add("embeddings.token_type_embeddings.weight", self.types, w, scale=0.3)
        if self.place == "post":
            norm("embeddings.LayerNorm")
        for i in range(self.layers):
            at = f"encoder.layer.{i}."
            for part in ("self.query", "self.key", "self.value", "output.dense"):
                linear(f"{at}attention.{part}", w, w)
            norm(f"{at}attention.output.LayerNorm")
            linear(f"{at}intermediate.dense", h, w)
            linear(f"{at}output.dense", w, h)
            norm(f"{at}output.LayerNorm")
        if self.place == "pre":
            norm("encoder.LayerNorm")
        head = self.__dict__.setdefault("head", [])
        for i, name in enumerate(head):
            linear(name, len(self.labels) if i + 1 == len(head) else w, w)
        for i, name in enumerate(list(self.tensors)):
            self.tensors[name] = rounded(self.tensors[name], self.dtype[i % len(self.dtype)])
        self.polynomials, self.seen = {}, {}

    def note(self, site, x):
        lo, hi = self.seen.get(site, (math.inf, -math.inf))
        self.seen[site] = (min(lo, float(x.min())), max(hi, float(x.max())))

    def function(self, site, name, x):
        self.note(site, x)
        return self.polynomials[site](x) if site in self.polynomials else FUNCTIONS[name](x)

    def linear(self, name, x):
        return x @ self.tensors[f"{name}.weight"].T + self.tensors[f"{name}.bias"]

    def normed(self, name, x, site=None):
        c = x - x.mean(-1, keepdims=True) if self.norm == "layer" else x
        v = (c * c).mean(-1, keepdims=True) + 1e-5
        r = FUNCTIONS["inverse_sqrt"](v) if site is None else self.function(f"{site}.variance", "inverse_sqrt", v)
        if site is not None:
            self.note(f"{site}.normalised", c * r)
        y = c * r * self.tensors[f"{name}.weight"]
        return y + self.tensors[f"{name}.bias"] if self.norm == "layer" else y

    def attended(self, i, h, exact):
        d, site = self.width // self.heads, f"layers.{i}.attention"
        q, k, v = (self.linear(f"encoder.layer.{i}.attention.self.{p}", h) for p in ("query", "key", "value"))
        out, tokens = np.zeros_like(q), len(h)
        for a in range(self.heads):
            part = slice(a * d, (a + 1) * d)
            s = q[:, part] @ k[:, part].T / math.sqrt(d)
            self.note(f"{site}.scores", s)
            if exact:
                weights = np.exp(s - s.max(-1, keepdims=True))
                weights /= weights.sum(-1, keepdims=True)
            elif self.attention["kind"] == "scaled_sigma":
                weights = self.function(f"{site}.scores", "gelu", s) / math.sqrt(tokens)
            else:
                z = s ** self.attention["power"] / tokens
                total = self.attention["epsilon"] + z.sum(-1, keepdims=True)
                weights = z * self.function(f"{site}.denominator", "reciprocal", total)
            out[:, part] = weights @ v[:, part]
        return self.linear(f"encoder.layer.{i}.attention.output.dense", out)

    def run(self, ids, exact=False):
        t = self.tensors
        x = t["embeddings.word_embeddings.weight"][ids] + t["embeddings.position_embeddings.weight"][: len(ids)]
        if self.types:
            x = x + t["embeddings.token_type_embeddings.weight"][0]
        if self.place == "post":
            x = self.normed("embeddings.LayerNorm", x)
        self.note("embedding", x)
        site = lambda name: None if exact else name
        for i in range(self.layers):
            at, place = f"encoder.layer.{i}.", f"layers.{i}."
            norms = [f"{at}attention.output.LayerNorm", f"{at}output.LayerNorm"]
            sites = [site(f"{place}norm_attention"), site(f"{place}norm_feed_forward")]
            active = lambda u: FUNCTIONS[self.act](u) if exact else self.function(f"{place}feed_forward.activation", self.act, u)
            forward = lambda h: self.linear(f"{at}output.dense", active(self.linear(f"{at}intermediate.dense", h)))
            if self.place == "post":
                x = x + self.attended(i, x, exact)
                self.note(f"{place}attention.residual", x)
                x = self.normed(norms[0], x, sites[0])
                x = x + forward(x)
                self.note(f"{place}feed_forward.residual", x)
                x = self.normed(norms[1], x, sites[1])
            else:
                x = x + self.attended(i, self.normed(norms[0], x, sites[0]), exact)
                self.note(f"{place}attention.residual", x)
                x = x + forward(self.normed(norms[1], x, sites[1]))
                self.note(f"{place}feed_forward.residual", x)
        if self.place == "pre":
            x = self.normed("encoder.LayerNorm", x, site("final_norm"))
        y = {"mean": x.mean(0), "first": x[0], "last": x[-1], "each": x}[self.pooling]
        for name in self.head:
            y = self.linear(name, y)
        return np.atleast_1d(y).reshape(-1)

    def fix(self, every):
        """Polynomials on the ranges that the run without polynomials shows, widened."""
        self.seen = {}
        for ids in every:
            self.run(ids)
        first = self.seen
        for site, (lo, hi) in first.items():
            middle, half = (lo + hi) / 2, (hi - lo) / 2 * MARGIN + 0.05
            if site.endswith(".variance"):
                self.polynomials[site] = Polynomial("inverse_sqrt", lo / 2, hi * 2, 7)
            elif site.endswith(".denominator"):
                self.polynomials[site] = Polynomial("reciprocal", self.attention["epsilon"], hi * 2, 7)
            elif site.endswith(".activation"):
                self.polynomials[site] = Polynomial(self.act, -2 * max(hi, -lo), 2 * max(hi, -lo), self.degree)
            elif site.endswith(".scores") and self.attention["kind"] == "scaled_sigma":
                self.polynomials[site] = Polynomial("gelu", middle - half, middle + half, 6)
        self.seen = {}
        for ids in every:
            self.run(ids)
        for site, p in self.polynomials.items():
            lo, hi = self.seen[site]
            assert p.lo <= lo and hi <= p.hi, (site, lo, hi, p.lo, p.hi)


def rounded(x, dtype):
    """The numbers of a type, as f64."""
    x = x.astype(np.float32)
    if dtype == "F16":
        x = x.astype(np.float16)
    if dtype == "BF16":
        x = (x.view(np.uint32) & 0xFFFF0000).view(np.float32)
    return x.astype(np.float64)


def raw(x, dtype):
    if dtype == "BF16":
        return (x.astype(np.float32).view(np.uint32) >> 16).astype("<u2").tobytes()
    return x.astype({"F32": "<f4", "F16": "<f2"}[dtype]).tobytes()


def safetensors(tensors):
    header, data = {}, b""
    for name, (x, dtype) in tensors.items():
        part = raw(x, dtype)
        header[name] = {"dtype": dtype, "shape": list(x.shape), "data_offsets": [len(data), len(data) + len(part)]}
        data += part
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def config(name, model):
    layers = []
    for i in range(model.layers):
        p = {site.split(".", 2)[2]: p.json() for site, p in model.polynomials.items() if site.startswith(f"layers.{i}.")}
        named = {"attention.denominator": "reciprocal", "attention.scores": "sigma", "norm_attention.variance": "norm_attention",
                 "norm_feed_forward.variance": "norm_feed_forward", "feed_forward.activation": "activation"}  # fmt: skip
        layers.append({named[site]: value for site, value in p.items()})
    section = {
        "version": 1,
        "task": model.task,
        "pooling": model.pooling,
        "norm_place": model.place,
        "norm": model.norm,
        "max_tokens": 8,
        "attention": model.attention,
        "layers": layers,
        "head": {"layers": model.head, "activation": None} if model.head else None,
        "ranges": {site: {"texts": ends, "margin": MARGIN} for site, ends in model.seen.items()},
    }
    if model.place == "pre":
        section["final_norm"] = model.polynomials["final_norm.variance"].json()
    out = {
        "_name_or_path": f"tests/{name}",
        "architectures": ["BertModel"],
        "model_type": "bert" if model.place == "post" else "roberta-prelayernorm",
        "hidden_size": model.width,
        "num_hidden_layers": model.layers,
        "num_attention_heads": model.heads,
        "intermediate_size": model.hidden,
        "vocab_size": len(WORDS),
        "max_position_embeddings": 10,
        "type_vocab_size": model.types,
        "layer_norm_eps": 1e-5,
        "hidden_act": model.act,
        "position_embedding_type": "absolute",
        "pad_token_id": 0,
        "polyformer": section,
    }
    if model.head:
        out["id2label"] = {str(i): label for i, label in enumerate(model.labels)}
    return out


def tokenizer():
    return {
        "version": "1.0",
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "model": {"type": "WordLevel", "unk_token": "[UNK]", "vocab": {word: i for i, word in enumerate(WORDS)}},
    }


def write(folder, name, seed):
    model = Model(name, seed)
    rng = np.random.default_rng(seed + 1)
    ids_of = lambda text: [WORDS.index(w) if w in WORDS else 1 for w in text.split()]
    every = [ids_of(text) for text in TEXTS] + [list(rng.integers(1, len(WORDS), n % 8 + 1)) for n in range(40)]
    model.fix(every)
    folder.mkdir(parents=True, exist_ok=True)
    types = {tensor: model.dtype[i % len(model.dtype)] for i, tensor in enumerate(model.tensors)}
    stored = {tensor: (x, types[tensor]) for tensor, x in model.tensors.items()}
    if len(model.dtype) == 1:
        (folder / "model.safetensors").write_bytes(safetensors(stored))
    else:
        shards = {d: f"model-0000{i + 1}-of-0000{len(model.dtype)}.safetensors" for i, d in enumerate(model.dtype)}
        for dtype, file in shards.items():
            (folder / file).write_bytes(safetensors({t: s for t, s in stored.items() if s[1] == dtype}))
        index = {"metadata": {"total_size": 0}, "weight_map": {tensor: shards[types[tensor]] for tensor in stored}}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1) + "\n")
    if getattr(model, "original", True):
        (folder / "exact.safetensors").write_bytes(safetensors(stored))
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer()) + "\n")
    (folder / "config.json").write_text(json.dumps(config(name, model), indent=1) + "\n")
    cases = [
        {"text": text, "ids": ids_of(text), "poly": list(model.run(ids_of(text))), "exact": list(model.run(ids_of(text), exact=True))}
        for text in TEXTS
    ]
    (folder / "golden.json").write_text(json.dumps({"cases": cases}, indent=1) + "\n")
    for case in cases[:2]:
        print(name, np.abs(np.array(case["poly"])).max(), np.abs(np.array(case["poly"]) - np.array(case["exact"])).max())


if __name__ == "__main__":
    here = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "encoders"
    for seed, name in enumerate(MODELS):
        write(here / name, name, 7 * seed + 1)
