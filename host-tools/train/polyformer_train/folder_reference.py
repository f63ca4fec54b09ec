"""The computation of a converted folder in numpy, step by step, in f32 or f64. Engines are compared with this program.

    python -m polyformer_train.folder_reference MODEL_DIR "text" ...

The program reads the files alone: no PyTorch, no `transformers`. One text at a time, without padding.
"""

import json
import sys
from pathlib import Path

import numpy as np

from .approx import Polynomial


class FolderReference:
    """A converted folder. `kind` is the type of every number: np.float32 or np.float64."""

    def __init__(self, folder, kind=np.float32):
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        folder = Path(folder)
        self.config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.section = self.config["polyformer"]
        self.kind = kind
        self.weights = {k: v.astype(kind) for k, v in load_file(folder / "model.safetensors").items()}
        self.layers = [{k: Polynomial.from_json(v) for k, v in layer.items()} for layer in self.section["layers"]]
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(self.section["max_tokens"])

    def tokenize(self, text):
        return self.tokenizer.encode(text).ids

    def embed(self, ids):
        """The client's part."""
        w = self.weights
        e = w["embeddings.word_embeddings.weight"][ids] + w["embeddings.position_embeddings.weight"][: len(ids)]
        if "embeddings.token_type_embeddings.weight" in w:
            e = e + w["embeddings.token_type_embeddings.weight"][0]
        c = e - e.mean(-1, keepdims=True)
        v = (c * c).mean(-1, keepdims=True) + self.kind(self.config["layer_norm_eps"])
        return c / np.sqrt(v) * w["embeddings.LayerNorm.weight"] + w["embeddings.LayerNorm.bias"]

    def run(self, ids):
        """(rows after the last layer, pooled row, logits or None)."""
        x = self.embed(ids)
        for i in range(len(self.layers)):
            x = self.layer(i, x)
        pooled = x[0] if self.section["pooling"] == "first" else x.mean(0, dtype=self.kind)
        logits = self._linear("classifier", pooled) if self.section["head"] else None
        return x, pooled, logits

    def layer(self, i, x):
        p, name, attention = self.layers[i], f"encoder.layer.{i}", self.section["attention"]
        heads = self.config["num_attention_heads"]
        q, k, v = (
            self._linear(f"{name}.attention.self.{m}", x).reshape(len(x), heads, -1).transpose(1, 0, 2)
            for m in ("query", "key", "value")
        )
        s = q @ k.transpose(0, 2, 1) * self.kind(q.shape[-1] ** -0.5)
        z = s
        for _ in range(attention["power"].bit_length() - 1):
            z = z * z
        d = self.kind(attention["epsilon"]) + z.mean(-1, keepdims=True, dtype=self.kind)
        mixed = self._evaluate(p["reciprocal"], d) * (z @ v) / self.kind(len(x))
        x = x + self._linear(f"{name}.attention.output.dense", mixed.transpose(1, 0, 2).reshape(x.shape))
        h = self._norm(f"{name}.attention.output.LayerNorm", x, p["norm_attention"])
        active = self._evaluate(p["activation"], self._linear(f"{name}.intermediate.dense", h))
        return self._norm(f"{name}.output.LayerNorm", h + self._linear(f"{name}.output.dense", active), p["norm_feed_forward"])

    def _linear(self, name, x):
        return x @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]

    def _norm(self, name, x, root):
        c = x - x.mean(-1, keepdims=True, dtype=self.kind)
        v = (c * c).mean(-1, keepdims=True, dtype=self.kind) + self.kind(self.config["layer_norm_eps"])
        return c * self._evaluate(root, v) * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]

    def _evaluate(self, p, x):
        """Clenshaw's recurrence in this kind of number."""
        t = ((x - self.kind(p.lo)) - (self.kind(p.hi) - x)) / self.kind(p.hi - p.lo)
        a, b = np.zeros_like(t), np.zeros_like(t)
        for c in p.coeffs[:0:-1]:
            a, b = 2 * t * a - b + self.kind(c), a
        return t * a - b + self.kind(p.coeffs[0])


def expected(folder, sentences, path):
    """Writes ids and outputs of these texts, for the comparison of an engine: JSON, f32 values."""
    from .output import write_json

    model = FolderReference(folder)
    cases = []
    for text in sentences:
        ids = model.tokenize(text)
        _, pooled, logits = model.run(ids)
        case = {"text": text, "ids": ids, "pooled": pooled.tolist()}
        cases.append(case if logits is None else case | {"logits": logits.tolist()})
    write_json(path, {"kind": "float32", "cases": cases})


def main(folder, *sentences):
    model = FolderReference(folder)
    for text in sentences:
        _, pooled, logits = model.run(model.tokenize(text))
        if logits is None:
            print(json.dumps((pooled / np.linalg.norm(pooled)).tolist()))
        else:
            names = model.config.get("id2label") or {}
            best = int(np.argmax(logits))
            print(f"{names.get(str(best), best)}: {', '.join(f'{x:.4f}' for x in logits)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
