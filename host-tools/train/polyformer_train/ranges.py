"""Observes values inside a model: supplementary losses during training, and measured ranges after training.

A model calls `taps.see(name, tensor)` at every place whose range matters. `Losses` turns the values into penalties
(docs/math.md §16: activation ranges, norm variances, score maxima), and `Ranges` into minima and maxima.
"""

import torch


class Losses:
    """Mean squared excess over (lo, hi) per place, plus a fiftieth of the worst excess, because outliers decide ranges.

    `bounds` maps a name's last part, or the whole name, to (lo, hi); `weights` its last part to a factor.

    For scores the loss bounds the row maximum (the loss on ||x||_inf). For all other places the loss bounds each element.
    """

    def __init__(self, bounds, weights=None):
        self.bounds, self.weights, self.terms = bounds, weights or {}, []

    def see(self, name, x, valid=None):
        kind = name.rsplit(".", 1)[-1]
        bound = self.bounds.get(name, self.bounds.get(kind))
        if bound is None:
            return
        if kind == "scores":
            x, valid = x.abs().amax(-1), None if valid is None else valid[..., 0].expand(x.shape[:-1])
        square = (x - x.clamp(*bound)).square()
        if valid is not None:
            keep = valid.to(x.dtype).expand(x.shape)
            square = square * keep
            mean = square.sum() / keep.sum().clamp_min(1.0)
        else:
            mean = square.mean()
        self.terms.append(self.weights.get(kind, 1.0) * (mean + 0.02 * square.amax()))

    def take(self):
        """The sum of all terms since the last call."""
        total = sum(self.terms)
        self.terms = []
        return total


class Ranges:
    """Least and greatest value seen at each place, and per head where the tensor has heads (dimension 1 of 4)."""

    def __init__(self):
        self.seen = {}

    @torch.no_grad()
    def see(self, name, x, valid=None):
        if valid is not None:
            valid = valid.expand(x.shape).bool()
            low, high = x.masked_fill(~valid, torch.inf), x.masked_fill(~valid, -torch.inf)
        else:
            low = high = x
        heads = x.dim() == 4
        axes = (0, 2, 3) if heads else tuple(range(x.dim()))
        lo, hi = low.amin(axes).reshape(-1).tolist(), high.amax(axes).reshape(-1).tolist()
        old = self.seen.get(name)
        if old:
            lo, hi = [min(a, b) for a, b in zip(lo, old[0])], [max(a, b) for a, b in zip(hi, old[1])]
        self.seen[name] = (lo, hi)

    def of(self, name):
        """(lo, hi) over all heads."""
        lo, hi = self.seen[name]
        return min(lo), max(hi)

    def to_json(self):
        return {k: {"lo": lo, "hi": hi} for k, (lo, hi) in sorted(self.seen.items())}
