"""Ranges with quantiles, and the losses that keep ranges narrow, for the encoder of encoder.py.

Both are taps: the encoder calls `see(name, tensor, valid)` at every place whose range matters.
"""

import numpy as np
import torch

QUANTILES = (0.001, 0.5, 0.999)
SAMPLE = 20_000  # values a place and call that enter the quantiles


class Extent:
    """Least and greatest value of each place, exactly, and a sample of the values."""

    def __init__(self, keep=()):
        self.seen, self.samples, self.keep = {}, {}, keep

    @torch.no_grad()
    def see(self, name, x, valid=None):
        x = x.detach()
        values = x.reshape(-1) if valid is None else x[valid.expand(x.shape).bool()]
        if not len(values):
            return
        lo, hi = values.min().item(), values.max().item()
        old = self.seen.get(name, (lo, hi))
        self.seen[name] = (float(np.minimum(lo, old[0])), float(np.maximum(hi, old[1])))  # a NaN stays
        step = max(1, len(values) // SAMPLE)
        self.samples.setdefault(name, []).append(values[::step].float().cpu().numpy())

    def of(self, name):
        return self.seen[name]

    def sample(self, name):
        return np.concatenate(self.samples[name])

    def quantiles(self, name):
        return {str(q): float(v) for q, v in zip(QUANTILES, np.quantile(self.sample(name), QUANTILES))}


class Excess:
    """Squared excess over (lo, hi) of each place, relative to the width of the range: mean over rows of the row's worst.

    `bounds` maps a whole name to (lo, hi). All rows count, those of padding too, except that a padding row may be below
    a range that is positive: variances and denominators.
    """

    def __init__(self, bounds):
        self.bounds, self.terms = bounds, []

    def see(self, name, x, valid=None):
        bound = self.bounds.get(name)
        if bound is None:
            return
        lo, hi = bound
        over = torch.relu(x.amax(-1) - hi)
        under = torch.relu(lo - x.amin(-1))
        if lo > 0.0 and valid is not None:
            under = under * valid[..., 0]
        excess = (over.square() + under.square()) / (hi - lo) ** 2
        self.terms.append(excess.mean() + 0.02 * excess.amax())

    def take(self):
        """The sum of all terms since the last call, or 0.0."""
        total, self.terms = sum(self.terms), []
        return total
