"""What a converted model is worth on held-out texts, its ranges, its depth, and what each replacement alone costs."""

import copy

import torch
from torch import nn

from . import layerwise
from .encoder import NORMS, Power
from .measure import Extent
from .polyfit import depth
from .whole import polynomials


@torch.no_grad()
def outputs(model, batches, count):
    """(pooled rows, logits or None) in the order of the texts, in evaluation mode: nothing is clamped."""
    model.eval()
    pooled, logits = None, None
    for rows, ids, mask in batches:
        _, p, answer = model(ids, mask)
        if pooled is None:
            pooled = torch.zeros(count, p.shape[1], device="cpu")
            logits = None if answer is None else torch.zeros(count, answer.shape[1], device="cpu")
        pooled[rows] = p.float().cpu()
        if answer is not None:
            logits[rows] = answer.float().cpu()
    return pooled, logits


def compare(ours, theirs, labels=None):
    """Figures of outputs against the original's; `labels` are class indices."""
    (pooled, logits), (exact_pooled, exact_logits) = ours, theirs
    cosine = nn.functional.cosine_similarity(pooled, exact_pooled)
    cosine = torch.nan_to_num(cosine, nan=-1.0)
    out = {
        "texts": len(cosine),
        "cosine_mean": cosine.mean().item(),
        "cosine_quantile_0.01": cosine.quantile(0.01).item(),
        "cosine_least": cosine.min().item(),
        "share_cosine_0.95": (cosine >= 0.95).double().mean().item(),
    }
    if logits is not None:
        said, before = logits.argmax(-1), exact_logits.argmax(-1)
        out = {"texts": len(said), "agreement": (said == before).double().mean().item()}
        if labels is not None:
            right = torch.tensor(labels, device="cpu")
            out["accuracy"] = (said == right).double().mean().item()
            out["accuracy_original"] = (before == right).double().mean().item()
    return out


class Both:
    """Two `Extent`s in one pass: of the rows of texts, and of padding rows."""

    def __init__(self):
        self.rows, self.padding = Extent(), Extent()

    def see(self, name, x, valid=None):
        self.rows.see(name, x, valid)
        if valid is not None and not name.endswith(".scores"):  # a score of a row of padding is never used
            self.padding.see(name, x, 1 - valid)


@torch.no_grad()
def extents(model, batches):
    """(ranges of every place over these texts, the same of the padding rows), in evaluation mode."""
    model.eval()
    taps = Both()
    for _, ids, mask in batches:
        model(ids, mask, taps, mask)
    return taps.rows, taps.padding


def depths(model):
    """Levels a layer, by part, without the masks that a packing may add."""
    out = []
    for layer in model.layers:
        p = polynomials(layer)
        power = (layer.attention.power - 1).bit_length()
        parts = {
            "attention": 1 + 1 + power + depth(p["reciprocal"].degree) + 1 + 1,
            "norm_attention": 1 + depth(p["norm_attention"].degree) + 1,
            "feed_forward": 1 + depth(p["activation"].degree) + 1,
            "norm_feed_forward": 1 + depth(p["norm_feed_forward"].degree) + 1,
        }
        out.append(parts | {"total": sum(parts.values())})
    return out


@torch.no_grad()
def alone(teacher, fit_batches, test_batches, count, options, labels=None):
    """The original with one kind of site replaced and nothing trained or refitted: what each replacement costs by itself."""
    theirs = outputs(teacher, test_batches, count)
    taps, _ = extents(teacher, fit_batches)
    out = {}
    for kind in ("attention", *NORMS, "activation"):
        model = copy.deepcopy(teacher)
        for i, layer in enumerate(model.layers):
            if kind == "attention":
                _replace_attention(layer, teacher.layers[i], teacher, i, fit_batches, options)
            elif kind == "activation":
                place = f"layers.{i}.feed_forward.activation"
                values = taps.sample(place)
                layer.activation = layerwise.activation_of(teacher.size.activation, *taps.of(place), values, options)
            else:
                norm = getattr(layer, kind)
                norm.root = layerwise.root_of(taps, f"layers.{i}.{kind}.variance", options, norm.epsilon)
        out[kind] = compare(outputs(model, test_batches, count), theirs, labels)
    return out


def _replace_attention(layer, exact, teacher, i, batches, options):
    """The start of layerwise.py: shifted scores and a true division."""
    some = batches[:: max(1, len(batches) // 8)]
    width = max(mask.shape[1] for _, _, mask in some)
    x, masks = [], []
    for _, ids, mask in some:
        short = width - mask.shape[1]
        x.append(nn.functional.pad(teacher(ids, mask)[0][i], (0, 0, 0, short)))
        masks.append(nn.functional.pad(mask, (0, short)))
    x, mask = torch.cat(x), torch.cat(masks).float()
    layer.attention = Power(options.power, options.epsilon)
    layerwise.head_start(layer, exact, x, mask, options.power)
    layerwise.Pass._scale_heads(layer, x, mask)
