"""Polynomials as torch modules: Chebyshev sums on a stated range, for activations and for the two reciprocals."""

import numpy as np
import torch
from torch import nn

from .approx import minimax

HORNER_DEGREE = 9  # up to here the power basis on [-1, 1] loses nothing that f32 had, and takes half the passes


class Chebyshev(nn.Module):
    """A polynomial of approx.py on tensors.

    In training, inputs are clamped to the range. Dropout sometimes leaves the range, where a polynomial explodes.
    The loss on the range (ranges.py) brings such inputs back. Evaluation never clamps.
    """

    def __init__(self, polynomial):
        super().__init__()
        self.polynomial = polynomial
        self.powers = np.polynomial.chebyshev.cheb2poly(polynomial.coeffs).tolist()

    def forward(self, x):
        p = self.polynomial
        if self.training:
            x = x.clamp(p.lo, p.hi)
        if p.degree > HORNER_DEGREE:
            return p(x)
        slope = 2.0 / (p.hi - p.lo)
        t = torch.add(x.new_full((), -(p.lo + p.hi) / (p.hi - p.lo)), x, alpha=slope)
        y = t * self.powers[-1] if len(self.powers) > 1 else torch.zeros_like(t)
        for c in self.powers[-2:0:-1]:
            y = (y + c) * t
        return y + self.powers[0]


class PolyActivation(Chebyshev):
    """The minimax polynomial of a named function (gelu, relu, tanh, sigmoid) of that degree on [lo, hi]."""

    def __init__(self, function="gelu", lo=-4.0, hi=4.0, degree=4):
        super().__init__(minimax(function, lo, hi, degree))
