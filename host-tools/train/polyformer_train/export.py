"""Exports a trained model to the files of the project: safetensors in f16, config.json, tokenizer.json.

The export folds constants into weights (FORM.md): 1 / sqrt(d_k) into the query weights, and centring into the two weights
that write to the residual stream. Weights are [out, in].
"""

import hashlib
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from .output import replacing, write_json
from .reference import Reference

FILES = {"poly": "model.safetensors", "exact": "exact.safetensors"}


def tensors(model):
    """The folded weights by their exported names, f16."""
    out = {"embeddings.token": model.token.weight, "embeddings.position": model.position.weight}
    scale = (model.shape.width // model.shape.heads) ** -0.5
    for i, layer in enumerate(model.layers):
        linears = {
            "attention.query": (layer.query.weight * scale, layer.query.bias * scale),
            "attention.key": (layer.key.weight, layer.key.bias),
            "attention.value": (layer.value.weight, layer.value.bias),
            "attention.output": _centred(layer.output),
            "feed_forward.up": (layer.up.weight, layer.up.bias),
            "feed_forward.down": _centred(layer.down),
        }
        for name, (weight, bias) in linears.items():
            out[f"layers.{i}.{name}.weight"], out[f"layers.{i}.{name}.bias"] = weight, bias
    out["classifier.weight"], out["classifier.bias"] = model.classifier.weight, model.classifier.bias
    return {k: v.detach().cpu().to(torch.float16).contiguous() for k, v in out.items()}


def _centred(linear):
    """The same linear map followed by the subtraction of its outputs' mean."""
    return linear.weight - linear.weight.mean(0, keepdim=True), linear.bias - linear.bias.mean()


def save(folder, poly, exact, tokenizer, labels, ranges, extra):
    """Writes the model directory. `extra` (recipe, accuracy, ...) goes into config.json unchanged."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    meta = {"format": "pt", "kind": "polyformer-model", "form": "poly"}
    with replacing(folder / FILES["poly"]) as part:
        save_file(tensors(poly), part, metadata=meta)
    if exact is not None:
        with replacing(folder / FILES["exact"]) as part:
            save_file(tensors(exact), part, metadata=meta | {"form": "exact"})
    with replacing(folder / "tokenizer.json") as part:
        tokenizer.save(str(part))
    form, shape = poly.form, poly.shape
    config = {
        "format": "polyformer-model",
        "version": 1,
        "files": FILES,
        "shape": vars(shape) | {"head_width": shape.width // shape.heads, "norm": "pre", "pooling": "mean"},
        "labels": labels,
        "embedding_epsilon": 1e-5,
        "norm_epsilon": form.norm_epsilon,
        "exact_norm_epsilon": 1e-5,
        "attention": {
            "kind": "power_softmax",
            "form": "length_agnostic",
            "power": form.power,
            "epsilon": form.epsilon,
        },
        "polynomials": [_polynomials(layer) for layer in poly.layers],
        "ranges": ranges,
    } | extra
    write_json(folder / "config.json", config)


def _polynomials(layer):
    def of(norm):
        if norm is None:
            return None
        p = norm.inverse_sqrt.polynomial
        return p.to_json() | {"at_zero": p(0.0)}

    return {
        "reciprocal": layer.reciprocal.polynomial.to_json(),
        "norm_attention": of(layer.norm_attention),
        "norm_feed_forward": of(layer.norm_feed_forward),
        "activation": layer.activation.polynomial.to_json(),
    }


def golden(folder, texts):
    """golden.json: token ids, logits of both forms, and per named step (shape, sum, sum of squares, first values)."""
    model, cases = Reference(folder), []
    for text in texts:
        ids, trace = model.tokenize(text), []
        case = {"text": text, "ids": ids, "poly": model.run(ids, "poly", trace=trace).tolist()}
        if "exact" in model.weights:
            case["exact"] = model.run(ids, "exact").tolist()
        case["label"] = model.config["labels"][int(np.argmax(case["poly"]))]
        case["steps"] = [
            {
                "name": name,
                "shape": list(value.shape),
                "sum": float(value.sum()),
                "squares": float((value * value).sum()),
                "first": value.reshape(-1)[:4].tolist(),
            }
            for name, value in trace
        ]
        cases.append(case)
    digest = hashlib.sha256((Path(folder) / FILES["poly"]).read_bytes()).hexdigest()
    write_json(Path(folder) / "golden.json", {"model_sha256": digest, "cases": cases})
