#!/usr/bin/env python3
"""Writes the folder of a model of a few hundred weights, the source of the seeds of the fuzz target `packed`.
   usage: tiny_model.py FOLDER        then: polyformer pack FOLDER --out fuzz/corpus/packed/NAME"""

import json
import struct
import sys
from pathlib import Path

WIDTH, HEADS, HIDDEN, LAYERS, CLASSES, WORDS, TOKENS = 8, 2, 8, 2, 3, 8, 4


def tensors():
    square = {f"attention.{part}": (WIDTH, WIDTH) for part in ("query", "key", "value", "output")}
    maps = {"classifier": (CLASSES, WIDTH)}
    for i in range(LAYERS):
        parts = square | {"feed_forward.up": (HIDDEN, WIDTH), "feed_forward.down": (WIDTH, HIDDEN)}
        maps |= {f"layers.{i}.{name}": shape for name, shape in parts.items()}
    shapes = {"embeddings.token": [WORDS, WIDTH], "embeddings.position": [TOKENS, WIDTH]}
    for name, (rows, cols) in maps.items():
        shapes |= {f"{name}.weight": [rows, cols], f"{name}.bias": [rows]}
    return shapes


def safetensors(shapes):
    header, data = {}, b""
    for name, shape in shapes.items():
        count = 1
        for size in shape:
            count *= size
        values = [((len(data) + 37 * i) % 101 - 50) / 400 for i in range(count)]
        part = struct.pack(f"<{count}e", *values)
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [len(data), len(data) + len(part)]}
        data += part
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def polynomial(function, lo, hi, coeffs):
    return {"function": function, "lo": lo, "hi": hi, "coeffs": coeffs}


def config():
    root = polynomial("inverse_sqrt", 0.1, 4.0, [0.9, -0.4, 0.1, -0.05])
    layer = {
        "reciprocal": polynomial("reciprocal", 0.02, 1.5, [3.0, -2.0, 1.0, -0.5, 0.3, -0.2, 0.1, -0.05]),
        "norm_feed_forward": root,
        "activation": polynomial("gelu", -4.0, 4.0, [1.0, 2.0, 1.0]),
    }
    seen = {}
    for i in range(LAYERS):
        for place, (lo, hi) in {
            "attention.denominator": (0.1, 1.0),
            "norm_attention.variance": (0.5, 2.0),
            "norm_feed_forward.variance": (0.5, 2.0),
            "feed_forward.activation": (-2.0, 2.0),
            "attention.residual": (-2.0, 2.0),
            "feed_forward.residual": (-2.0, 2.0),
        }.items():
            seen[f"layers.{i}.{place}"] = {"lo": [lo], "hi": [hi]}
    return {
        "format": "polyformer-model",
        "version": 1,
        "name": "tiny",
        "files": {"poly": "model.safetensors"},
        "shape": {
            "vocabulary": WORDS,
            "classes": CLASSES,
            "layers": LAYERS,
            "width": WIDTH,
            "heads": HEADS,
            "feed_forward": HIDDEN,
            "max_tokens": TOKENS,
        },
        "labels": ["one", "two", "three"],
        "embedding_epsilon": 1e-5,
        "norm_epsilon": 0.01,
        "exact_norm_epsilon": 1e-5,
        "attention": {"kind": "power_softmax", "form": "length_agnostic", "power": 4, "epsilon": 0.02},
        "polynomials": [layer | {"norm_attention": root if i else None} for i in range(LAYERS)],
        "ranges": {"margin": 1.3, "training": seen},
    }


def tokenizer():
    words = ["[PAD]", "[UNK]", "a", "b", "##b", "cd", "##c", ","]
    return {
        "version": "1.0",
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": {word: i for i, word in enumerate(words)},
        },
    }


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.safetensors").write_bytes(safetensors(tensors()))
    (folder / "config.json").write_text(json.dumps(config()))
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
