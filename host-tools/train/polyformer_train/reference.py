"""The exported model in numpy, f64, step by step as in FORM.md. The other engines are compared with this program.

    python -m polyformer_train.reference MODEL_DIR "text" ...

The program needs numpy, safetensors and tokenizers, and no PyTorch. The program computes one text at a time, without padding.
`padded` adds the padding rows of an engine with fixed shapes, and must give the same answer.
"""

import json
import math
import sys
from pathlib import Path

import numpy as np

from .approx import Polynomial

_erf = np.vectorize(math.erf, otypes=[float])


class Reference:
    """A model directory: `poly` is the form that runs encrypted. `exact` is the reference model with softmax, GELU, LayerNorm."""

    def __init__(self, folder):
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        folder = Path(folder)
        self.config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        cut = self.tokenizer.truncation or {}
        most = min(self.config["shape"]["max_tokens"], cut.get("max_length", sys.maxsize))
        self.tokenizer.enable_truncation(most, direction=cut.get("direction", "right"))
        files = self.config["files"]
        self.weights = {
            form: {k: v.astype(np.float64) for k, v in load_file(folder / files[form]).items()}
            for form in ("poly", "exact")
            if (folder / files[form]).exists()
        }
        self.layers = [
            {k: Polynomial.from_json(v) for k, v in layer.items() if v is not None} for layer in self.config["polynomials"]
        ]

    def tokenize(self, text):
        return self.tokenizer.encode(text).ids

    def embed(self, w, ids):
        """Step 1, on the client: rows of mean 0 and variance 1."""
        e = w["embeddings.token"][ids] + w["embeddings.position"][: len(ids)]
        e = e - e.mean(-1, keepdims=True)
        return e / np.sqrt((e * e).mean(-1, keepdims=True) + self.config["embedding_epsilon"])

    def run(self, ids, form="poly", padded=0, trace=None):
        """Logits of one text. `padded` > len(ids) appends zero rows; `trace` collects (name, array) at the named steps."""
        w, length = self.weights[form], len(ids)
        x = self.embed(w, ids)
        mask = np.ones(max(length, padded))
        mask[length:] = 0.0
        x = np.concatenate([x, np.zeros((len(mask) - length, x.shape[1]))])
        note = (lambda name, value: trace.append((name, value[:length]))) if trace is not None else (lambda *_: None)
        note("embedding", x)
        for i in range(self.config["shape"]["layers"]):
            x = (self._poly_layer if form == "poly" else self._exact_layer)(w, i, x, mask, length, note)
        pooled = mask @ x / length
        logits = w["classifier.weight"] @ pooled + w["classifier.bias"]
        if trace is not None:
            trace += [("pooled", pooled), ("logits", logits)]
        return logits

    def _poly_layer(self, w, i, x, mask, length, note):
        p, c, name = self.layers[i], self.config, f"layers.{i}"
        h = x if i == 0 else self._poly_norm(x, p["norm_attention"], f"{name}.norm_attention", note)
        q, k, v = (self._heads(_linear(w, f"{name}.attention.{m}", h)) for m in ("query", "key", "value"))
        s = np.einsum("hid,hjd->hij", q, k)  # the 1 / sqrt(d_k) is in the query weights
        note(f"{name}.attention.scores", s.transpose(1, 0, 2)[:, :, :length])
        s4 = ((s * mask) ** 2) ** (c["attention"]["power"] // 2)
        d = c["attention"]["epsilon"] + s4.sum(-1) / length
        note(f"{name}.attention.denominator", d.T)
        mixed = np.einsum("hij,hjd->hid", s4, v) / length * p["reciprocal"](d)[:, :, None]
        x = x + _linear(w, f"{name}.attention.output", self._merge(mixed))
        note(f"{name}.attention.residual", x)
        h = self._poly_norm(x, p["norm_feed_forward"], f"{name}.norm_feed_forward", note)
        a = _linear(w, f"{name}.feed_forward.up", h)
        note(f"{name}.feed_forward.activation", a)
        x = x + _linear(w, f"{name}.feed_forward.down", p["activation"](a))
        note(f"{name}.feed_forward.residual", x)
        return x

    def _poly_norm(self, x, inverse_sqrt, name, note):
        v = (x * x).mean(-1) + self.config["norm_epsilon"]
        note(f"{name}.variance", v)
        return x * inverse_sqrt(v)[:, None]

    def _exact_layer(self, w, i, x, mask, length, note):
        name = f"layers.{i}"
        h = x if i == 0 else self._exact_norm(x)
        q, k, v = (self._heads(_linear(w, f"{name}.attention.{m}", h)) for m in ("query", "key", "value"))
        s = np.einsum("hid,hjd->hij", q, k)
        s = np.where(mask > 0, s, -np.inf)
        e = np.exp(s - s.max(-1, keepdims=True))
        mixed = np.einsum("hij,hjd->hid", e / e.sum(-1, keepdims=True), v)
        x = x + _linear(w, f"{name}.attention.output", self._merge(mixed))
        note(f"{name}.attention.residual", x)
        a = _linear(w, f"{name}.feed_forward.up", self._exact_norm(x))
        x = x + _linear(w, f"{name}.feed_forward.down", 0.5 * a * (1.0 + _erf(a / math.sqrt(2.0))))
        note(f"{name}.feed_forward.residual", x)
        return x

    def _exact_norm(self, x):
        x = x - x.mean(-1, keepdims=True)
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + self.config["exact_norm_epsilon"])

    def _heads(self, x):
        heads = self.config["shape"]["heads"]
        return x.reshape(len(x), heads, -1).transpose(1, 0, 2)

    def _merge(self, x):
        return x.transpose(1, 0, 2).reshape(x.shape[1], -1)


def _linear(w, name, x):
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def main(folder, *texts):
    model = Reference(folder)
    labels = model.config["labels"]
    for text in texts:
        ids = model.tokenize(text)
        for form in model.weights:
            logits = model.run(ids, form)
            p = np.exp(logits - logits.max())
            p /= p.sum()
            top = ", ".join(f"{labels[i]} {p[i]:.3f}" for i in np.argsort(-logits)[:3])
            print(f"{form}: {top}")


if __name__ == "__main__":
    main(*sys.argv[1:])
