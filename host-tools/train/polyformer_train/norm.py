"""LayerNorm without a square root: x * r(v), v the variance plus epsilon, r a polynomial or an iteration for 1/sqrt.

The weights of the next map contain the affine part of a LayerNorm. If every residual branch has mean zero (FORM.md,
centring), `centred=True` skips the subtraction of the mean.
"""

import torch
from torch import nn

from .activation import Chebyshev
from .approx import newton_inverse_sqrt, relaxed_inverse_sqrt


class PolyLayerNorm(nn.Module):
    """x r(v) with v = mean(x^2) + epsilon after centring. `inverse_sqrt` is None for the exact square root, or any function."""

    def __init__(self, width, epsilon=1e-5, centred=False, affine=False, inverse_sqrt=None):
        super().__init__()
        self.width, self.epsilon, self.centred, self.inverse_sqrt = width, epsilon, centred, inverse_sqrt
        self.weight = nn.Parameter(torch.ones(width)) if affine else None
        self.bias = nn.Parameter(torch.zeros(width)) if affine else None

    def forward(self, x, taps=None, name="", rows=None):
        if not self.centred:
            x = x - x.mean(-1, keepdim=True)
        v = (x * x).mean(-1, keepdim=True) + self.epsilon
        if taps is not None:
            taps.see(f"{name}.variance", v, rows)
        y = x * (v.rsqrt() if self.inverse_sqrt is None else self.inverse_sqrt(v))
        return y if self.weight is None else y * self.weight + self.bias


def by_polynomial(polynomial):
    """1/sqrt by a minimax polynomial on its range."""
    return Chebyshev(polynomial)


def by_newton(start, steps):
    """1/sqrt by Newton's iteration from a constant start."""
    return lambda v: newton_inverse_sqrt(v, start, steps)


def by_relaxed_newton(lo, hi, steps):
    """1/sqrt by relaxed Newton steps on [lo, hi]."""
    return lambda v: relaxed_inverse_sqrt(v, lo, hi, steps)
