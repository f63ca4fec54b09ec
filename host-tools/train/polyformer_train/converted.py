"""Writes a converted model: config.json with Hugging Face's keys and one section `polyformer`, the weights of both forms under
BERT's names, the tokenizer, the report, and the model card. Every file is written whole or not at all; config.json is the last."""

import json
import shutil
from pathlib import Path

from safetensors.torch import load_file, save_file

from .approx import Polynomial
from .encoder import from_source, install, tensors
from .output import replacing, write_json, write_text
from .source import Source
from .whole import polynomials


def write(folder, conversion, taps, padding, report):
    """`taps`, `padding`: `measure.Extent` over the texts, of their rows and of padding rows."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    source = conversion.source
    for name, model, form in (
        ("model.safetensors", conversion.student, "poly"),
        ("exact.safetensors", conversion.teacher, "exact"),
    ):
        with replacing(folder / name) as part:
            save_file(tensors(model, source), part, metadata={"format": "pt", "kind": "polyformer-model", "form": form})
    with replacing(folder / "tokenizer.json") as part:
        shutil.copyfile(source.tokenizer, part)
    write_json(folder / "report.json", report)
    write_text(folder / "MODEL_CARD.md", card(source, report))
    write_json(folder / "config.json", config(conversion, taps, padding))


def load(folder):
    """The polynomial form of a converted folder as an `encoder.Encoder`, in evaluation mode."""
    folder = Path(folder)
    held = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    section = held["polyformer"]
    labels = list((held.get("id2label") or {}).values())
    weights = load_file(folder / "model.safetensors")
    if section["head"] is not None:
        labels = labels or [f"LABEL_{i}" for i in range(len(weights["classifier.weight"]))]
    model = from_source(Source(held, "bert", weights, section["pooling"], None, labels if section["head"] else []))
    attention = section["attention"]
    for layer, polys in zip(model.layers, section["layers"]):
        install(layer, {k: Polynomial.from_json(v) for k, v in polys.items()}, attention["power"], attention["epsilon"])
    return model.eval()


def config(conversion, taps, padding):
    o, source = conversion.options, conversion.source
    section = {
        "version": 1,
        "task": o.task,
        "pooling": source.pooling,
        "norm_place": "post",
        "norm": "layer",
        "max_tokens": o.max_tokens,
        "attention": {"kind": "power_softmax", "form": "length_agnostic", "power": o.power, "epsilon": o.epsilon},
        "layers": [{k: _polynomial(p) for k, p in polynomials(layer).items()} for layer in conversion.student.layers],
        "head": {"layers": ["classifier"], "activation": None} if o.task == "classify" else None,
        "ranges": ranges(taps, padding, o.margin),
    }
    if source.head is not None:
        section["exact_head_activation"] = source.head
    return source.config | {"polyformer": section}


def _polynomial(p):
    data = p.to_json() | {"function": p.function.removesuffix("_tanh")}
    return data | ({"at_zero": p(0.0)} if p.function == "inverse_sqrt" else {})


def ranges(taps, padding, margin):
    """Of every place: the range over the texts, its quantiles, the range on padding rows."""
    out = {}
    for name in sorted(taps.seen):
        out[name] = {"texts": list(taps.of(name)), "quantiles": taps.quantiles(name), "margin": margin}
        if name in padding.seen:
            out[name]["padding"] = list(padding.of(name))
    return out


def card(source, report):
    """MODEL_CARD.md, every figure from the report."""
    held, o = report["held_out"], report["options"]
    if "accuracy" in held:
        quality = f"| accuracy | {100 * held['accuracy_original']:.2f} % | {100 * held['accuracy']:.2f} % |\n"
        quality += f"| same answer | | {100 * held['agreement']:.2f} % |"
    elif "agreement" in held:
        quality = f"| same answer | | {100 * held['agreement']:.2f} % |"
    else:
        quality = f"| cosine with the original, mean | 1 | {held['cosine_mean']:.4f} |\n"
        quality += f"| cosine, 1 % quantile | 1 | {held['cosine_quantile_0.01']:.4f} |"
    rows = [f"| {i} | {d['attention']} | {d['norm_attention']} | {d['feed_forward']} | {d['norm_feed_forward']} |" for i, d in enumerate(report["depth"])]
    costs = [f"| {kind} | {_cost(figures)} |" for kind, figures in report["alone"].items()]
    name = source.config.get("_name_or_path") or source.config.get("model_type")
    return f"""# A polynomial form of {name}

`polyformer-convert` made this folder from a {source.config["model_type"]} checkpoint. Every softmax, every inverse root and every activation is a
polynomial. Use and licence follow the original model.

| on {held["texts"]} held-out texts | original | polynomial form |
|---|---|---|
{quality}

The ranges were measured on {report["texts"]} texts of at most {o["max_tokens"]} tokens. Longer texts and texts of another kind can leave the ranges.
{_outside(report["outside"])}

## Depth
Levels of each part, without the masks of a packing:

| layer | attention | norm | feed-forward | norm |
|---|---|---|---|---|
{chr(10).join(rows)}

## What each replacement alone costs
The original with one kind of part replaced, and nothing trained or refitted:

| part | held-out texts |
|---|---|
{chr(10).join(costs)}

## How it was made
Attention is PowerSoftmax of power {o["power"]}, length-agnostic, epsilon {o["epsilon"]}. The conversion took {report["seconds"]["layers"]:.0f} s layer by layer and
{report["seconds"]["whole"]:.0f} s of training as a whole ({report["steps"]} steps), with seed {o["seed"]}. `report.json` has all figures.
"""


def _cost(figures):
    if "accuracy" in figures:
        return f"accuracy {100 * figures['accuracy']:.2f} %"
    if "agreement" in figures:
        return f"same answer {100 * figures['agreement']:.2f} %"
    return f"cosine {figures['cosine_mean']:.4f} in the mean"


def _outside(outside):
    if not outside:
        return "No held-out text leaves the range of a polynomial."
    worst = ", ".join(f"{name} [{v['seen'][0]:.3g}, {v['seen'][1]:.3g}] of [{v['range'][0]:.3g}, {v['range'][1]:.3g}]" for name, v in list(outside.items())[:4])
    return f"Held-out texts leave the range of {len(outside)} polynomials: {worst}."
