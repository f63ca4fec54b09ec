"""Polynomials in the place of functions, fitted where the values are: least squares under the density of measured values.

A share of the weight is uniform over the range, so that no part of the range is left to chance. Errors of 1/x and 1/sqrt(x)
are relative. The degree is the least whose error is small enough; only degrees that use all of their levels are tried.
"""

import math

import numpy as np

from .approx import FUNCTIONS, Polynomial

DEGREES = (3, 7, 15)  # 2, 3 and 4 levels
FLOOR = 0.1
GRID = 2000


def depth(degree):
    """Levels of a polynomial."""
    return math.ceil(math.log2(degree + 1))


def fitted(name, lo, hi, degree, values):
    """(polynomial, error): the error is the root mean square over the values, relative for 1/x and 1/sqrt(x)."""
    f, relative = FUNCTIONS[name]
    if not lo < hi or (relative and lo <= 0.0):
        raise ValueError(f"{name} has no polynomial on [{lo}, {hi}]")
    values = np.clip(np.asarray(values, dtype=np.float64), lo, hi)
    t = np.cos((np.arange(GRID) + 0.5) * np.pi / GRID)
    x = 0.5 * (hi + lo) + 0.5 * (hi - lo) * t
    counts, edges = np.histogram(values, bins=200, range=(lo, hi))
    density = counts[np.clip(np.searchsorted(edges, x, side="right") - 1, 0, 199)] * 200.0 / max(1, len(values))
    weight = (1.0 - FLOOR) * density + FLOOR
    weight = np.sqrt(weight * np.sqrt(1.0 - t * t))  # the grid is denser at the ends
    if relative:
        weight = weight / f(x)
    basis = np.polynomial.chebyshev.chebvander(t, degree)
    coeffs = np.linalg.lstsq(basis * weight[:, None], f(x) * weight, rcond=None)[0]
    p = Polynomial(name, float(lo), float(hi), tuple(float(c) for c in coeffs), 0.0, relative)
    e = np.abs(p(x) - f(x)) / (f(x) if relative else 1.0)
    p = Polynomial(name, p.lo, p.hi, p.coeffs, float(e.max()), relative)
    e = (p(values) - f(values)) / (f(values) if relative else 1.0)
    return p, float(np.sqrt(np.mean(e * e)))


def chosen(name, lo, hi, values, tolerance, most=DEGREES[-1]):
    """(polynomial, error) of the least degree whose error over the values is at most `tolerance`, or of degree `most`."""
    for degree in (d for d in DEGREES if d <= most):
        p, error = fitted(name, lo, hi, degree, values)
        if error <= tolerance and (name != "inverse_sqrt" or _moderate(p)):
            break
    return p, error


def _moderate(p):
    """Positive on the range and down to 0, and nowhere below the range more than three times its value at the lower end."""
    x = np.linspace(0.0, p.hi, 400)
    y = p(x)
    return y.min() > 0.0 and y.max() <= 3.0 / math.sqrt(p.lo)


def widened(lo, hi, margin):
    """A range wider by the factor `margin` around its middle."""
    middle, half = 0.5 * (lo + hi), 0.5 * (hi - lo) * margin
    return middle - half, middle + half


def widened_variance(lo, hi, margin, epsilon):
    """A range of variances plus epsilon, for residuals longer or shorter by the factor `margin`."""
    return max(lo / margin**2, epsilon), hi * margin**2


def widened_denominator(hi, margin, epsilon, power):
    """A range of epsilon + mean of powers, for scores larger by `margin`. The lower end is epsilon: proved, not measured."""
    return epsilon, hi * margin**power
